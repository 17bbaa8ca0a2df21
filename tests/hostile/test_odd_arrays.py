"""Arrays and tensors of odd kinds are refused in one line, or are the picture that their values say."""

import numpy as np
import pytest
import torch

from restore import images
from restore.errors import PictureError

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)
UNIT = torch.linspace(0, 1, 192).reshape(3, 8, 8)


class Named(np.ndarray):
    """A subclass as libraries make them."""


@pytest.mark.parametrize("kind", [np.matrix, Named, np.ma.MaskedArray])
def test_subclasses_are_read_as_plain_arrays(kind: type[np.ndarray]) -> None:
    picture = images.as_picture(GRAY.view(kind))
    assert type(picture.raw) is np.ndarray
    assert np.array_equal(picture.samples()[..., 0], GRAY)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_any_precision_keep_their_values(dtype: torch.dtype) -> None:
    picture = images.as_picture(UNIT.to(dtype))
    torch.testing.assert_close(picture.pixels[0], UNIT.to(dtype).float() * 2 - 1)


def test_a_negated_view_is_read() -> None:
    picture = images.as_picture((-UNIT)._neg_view())
    torch.testing.assert_close(picture.pixels[0], UNIT * 2 - 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["sparse", "csr", "meta", "quantized", "complex"])
def test_tensors_without_plain_samples_are_refused(kind: str) -> None:
    made = {
        "sparse": UNIT.to_sparse,
        "csr": UNIT[0].to_sparse_csr,
        "meta": lambda: UNIT.to("meta"),
        "quantized": lambda: torch.quantize_per_tensor(UNIT, 0.01, 0, torch.quint8),
        "complex": lambda: UNIT.to(torch.complex64).conj(),
    }[kind]()
    with pytest.raises(PictureError) as caught:
        images.as_picture(made)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [np.ma.masked_array(GRAY, GRAY > 9), GRAY.astype(object), GRAY[:0], GRAY * 1j])
def test_arrays_without_plain_samples_are_refused(given: np.ndarray) -> None:
    with pytest.raises(PictureError):
        images.as_picture(given)
