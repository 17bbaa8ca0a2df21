"""Operators of optics, files and matrices."""

import base64
import io

import numpy as np
import pytest
import torch
from gaussian import dense
from PIL import Image
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators import JPEG, Blur, Clip, Compose, ComposeLinear, Dense, Downsample, Gray, Identity, Mask
from restore.operators.plate import _relaxed
from restore.testing import check_linear, check_operator, check_spectral

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


KEEP = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(2)) < 0.6
SPECTRAL = {
    "gaussian blur": (Blur.gaussian((12, 10), 1.2), (2, 3, 12, 10)),
    "odd sides": (Blur.gaussian((9, 7), 0.8), (1, 1, 9, 7)),
    "wide blur": (Blur.gaussian((16, 16), 3.0), (1, 1, 16, 16)),
    "lopsided kernel": (Blur(random(3, 4), (8, 9), least=1e-6), (2, 1, 8, 9)),
    "motion": (Blur(torch.ones(1, 5) / 5, (5, 10)), (1, 3, 5, 10)),
    "no blur": (Blur(torch.ones(1, 1), (4, 6)), (1, 1, 4, 6)),
    "dense": (Dense(random(4, 24), (2, 3, 4)), (3, 2, 3, 4)),
    "dense of low rank": (Dense(random(9, 3) @ random(3, 8), (1, 1, 8)), (2, 1, 1, 8)),
    "tall dense": (Dense(random(12, 6), (1, 2, 3)), (1, 1, 2, 3)),
}
LINEAR = {
    "mask, then mean": (ComposeLinear(Mask(KEEP), Downsample((6, 8), 2, "box")), (2, 3, 6, 8)),
    "blur, then bicubic": (ComposeLinear(Blur.gaussian((8, 8), 0.5), Downsample((8, 8), 2)), (1, 3, 8, 8)),
    "gray, then mask": (ComposeLinear(Gray(), Mask(KEEP)), (2, 3, 6, 8)),
}
NONLINEAR = {
    "clip": (Clip(-0.5, 0.5), (2, 3, 5, 4)),
    "jpeg": (JPEG(30), (2, 3, 32, 16)),
    "jpeg gray": (JPEG(80), (2, 1, 16, 8)),
    "jpeg 4:4:4": (JPEG(5, subsample=False), (1, 3, 8, 24)),
    "reduced, then jpeg": (Compose(Downsample((32, 32), 2), JPEG(50)), (2, 3, 32, 32)),
    "gray, then clipped": (Compose(Gray(), Clip()), (2, 3, 4, 4)),
}


@BOTH
@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_laws(name, dtype):
    operator, shape = SPECTRAL[name]
    check_spectral(operator, shape, dtype=dtype)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_laws(name):
    operator, shape = LINEAR[name]
    check_linear(operator, shape)


@BOTH
@pytest.mark.parametrize("name", NONLINEAR)
def test_laws(name, dtype):
    operator, shape = NONLINEAR[name]
    check_operator(operator, shape, dtype=dtype)


def test_blur_is_the_periodic_convolution():
    kernel, x = random(3, 4), random(1, 1, 7, 9, seed=1)
    wanted = torch.zeros_like(x)
    for row in range(3):
        for column in range(4):
            wanted += kernel[row, column] * x.roll((row - 1, column - 2), dims=(2, 3))
    torch.testing.assert_close(Blur(kernel, (7, 9), least=0)(x), wanted, atol=1e-12, rtol=0)


def test_dense_is_its_matrix():
    matrix = random(3, 24)
    torch.testing.assert_close(dense(Dense(matrix, (2, 3, 4)), (2, 3, 4)), matrix, atol=1e-12, rtol=0)


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
@pytest.mark.parametrize("mode", ["L", "4:4:4", "4:2:0"])
def test_jpeg_answers_what_a_decoder_does(quality, mode):
    channels = 1 if mode == "L" else 3
    coarse = F.interpolate(0.4 * random(1, channels, 8, 8), size=(32, 32), mode="bicubic", align_corners=False)
    levels = ((coarse + 0.05 * random(1, channels, 32, 32, seed=1)).clamp(-0.9, 0.9) * 127.5 + 127.5).round()
    stream = io.BytesIO()
    pixels = levels[0].byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels.squeeze()).save(stream, "JPEG", quality=quality, subsampling=2 if mode == "4:2:0" else 0)
    decoded = torch.tensor(np.array(Image.open(stream))).reshape(pixels.shape).permute(2, 0, 1)[None] / 127.5 - 1.0
    x = levels / 127.5 - 1
    # Encoders round colour planes to 8 bits, too, and decoders enlarge halved ones smoothly: there only the luma is compared.
    compared = Gray() if mode == "4:2:0" else Identity()
    pair = compared(JPEG(quality, subsample=mode == "4:2:0")(x) - decoded), compared(x - decoded)
    difference, loss = (127.5 * F.avg_pool2d(error.square(), 8).sqrt() for error in pair)
    if mode == "L":
        # The rounding to 8 bits is all, a root of 1/12; a few blocks hold a coefficient halfway between two multiples. At 95
        # multiples are as close as 1, and an encoder's integer transform often takes the other one: four of 2 levels a block.
        assert difference.median() < (0.35 if quality < 95 else (1 / 12 + 4 * (2 / 8) ** 2) ** 0.5)
        other = JPEG(quality - 4)(x) - decoded  # Another table is further off.
        assert (127.5 * F.avg_pool2d(other.square(), 8).sqrt()).median() > 0.65
    assert difference.square().mean().sqrt() < 0.8 * loss.square().mean().sqrt()


def test_jpeg_passes_gradients_through_its_rounding():
    x = random(1, 3, 16, 16).requires_grad_()
    v = random(1, 3, 16, 16, seed=1)
    (straight,) = torch.autograd.grad(JPEG(20, subsample=False)(x), x, v)
    torch.testing.assert_close(straight, v, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Blur(torch.ones(5, 5), (4, 8)), "no larger than the picture"),
        (lambda: Dense(torch.ones(2, 5), (1, 2, 3)), r"matrix \(m, 6\)"),
        (lambda: JPEG(0), "between 1 and 100"),
        (lambda: JPEG(50)(torch.zeros(1, 3, 8, 8)), "multiples of 16"),
        (lambda: Clip(1, 1), "low < high"),
    ],
)
def test_refusals(build, message):
    with pytest.raises(OperatorError, match=message):
        build()


# Sixteenth-size means of a photograph, (8, 8) float32, around a hole of 2 x 2.
AROUND_A_HOLE = (
    "LC2lvq2tub4+PdG+mJv7vdjk5Lzq61O+UFAAvmVlVb4gFVU9+u8vPVhkpLwcHS2+WFlJvvHyWr5xdze9WlzsvT4/P77O1VW9RkLyPWBhYb6kpL"
    "C+pqVdvpydrb2anf298vOjvVBFhTyEiQm9Mt/OvdT/Yb7y8eW+sN/fu3d3d740NTW+SlnZvF9dTT4HCom9+noJvru8HL6GhoK+cnLWvgIDA77i"
    "4pa+JigovktO/r1maam96OrKvfT6Or3MzOS+7u0xv0pKEL/d3Ai/WFjIvlBJaT2mpJA+8PFxvqenh76xsNy+AADsvmxrG79kZLi+S1BwvYiLa7"
    "2gwMC7IiFBPg=="
)


def test_a_small_plate_that_is_solved_long_before_its_iterations_are_over():
    u = torch.frombuffer(bytearray(base64.b64decode(AROUND_A_HOLE)), dtype=torch.float32).reshape(8, 8)
    free = torch.zeros(8, 8, dtype=torch.bool)
    free[3:5, 3:5] = True
    found = _relaxed(u, free, 160)  # The squares of its residuals are numbers of one digit after nine steps.
    torch.testing.assert_close(found, _relaxed(u.double(), free, 160).float(), atol=1e-6, rtol=0)
