import itertools

import numpy as np
import pytest
import torch
from gaussian import dense
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from restore.errors import OperatorError
from restore.operators import Downsample, Gray, GrayWithHints, Identity, Linear, Mask, Separable
from restore.operators.fill import pull_push
from restore.testing import check_linear, check_operator, check_spectral

BOTH = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def kept(*shape, share=0.6, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share


CASES = {
    "identity": (Identity(), (2, 3, 5, 4)),
    "mask": (Mask(kept(1, 1, 6, 7)), (2, 3, 6, 7)),
    "mask per channel": (Mask(kept(1, 3, 6, 7)), (2, 3, 6, 7)),
    "mask per picture": (Mask(kept(2, 1, 6, 7)), (2, 3, 6, 7)),
    "mask per picture and channel": (Mask(kept(3, 3, 4, 5)), (3, 3, 4, 5)),
    "mask of everything": (Mask(torch.ones(1, 1, 4, 4, dtype=torch.bool)), (2, 1, 4, 4)),
    "mask of nothing": (Mask(torch.zeros(1, 1, 4, 4, dtype=torch.bool)), (2, 1, 4, 4)),
    "gray": (Gray(), (2, 3, 5, 4)),
    "gray mean": (Gray((1 / 3, 1 / 3, 1 / 3)), (1, 3, 5, 4)),
    "hints": (GrayWithHints(kept(1, 1, 6, 5)), (2, 3, 6, 5)),
    "no hints": (GrayWithHints(torch.zeros(1, 1, 6, 5, dtype=torch.bool)), (2, 3, 6, 5)),
    "separable": (Separable(torch.randn(3, 7, generator=torch.Generator().manual_seed(1)), torch.eye(5)[::2]), (2, 2, 7, 5)),
}
for scale, kernel in itertools.product((1, 2, 3, 4, 5), ("bicubic", "box")):
    CASES[f"{kernel} x{scale}"] = (Downsample((3 * scale, 5 * scale), scale, kernel), (2, 3, 3 * scale, 5 * scale))
    CASES[f"{kernel} x{scale} square"] = (Downsample((7 * scale, 7 * scale), scale, kernel), (1, 1, 7 * scale, 7 * scale))
for kernel in ("bicubic", "box", "lanczos", "gaussian:0.5"):
    for size, small in (((11, 8), (4, 5)), ((9, 10), (8, 10))):
        CASES[f"{kernel} {size} to {small}"] = (Downsample.between(size, small, kernel), (2, 1, *size))
SINGLES = {name: case for name, case in CASES.items() if case[1][2] * case[1][3] <= 150 and "per picture" not in name}


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_laws(name, dtype):
    operator, shape = CASES[name]
    check_spectral(operator, shape, dtype=dtype)


@pytest.mark.parametrize("name", SINGLES)
def test_dense_matrix_has_the_singular_values_claimed(name):
    operator, (_, *shape) = SINGLES[name]
    matrix = dense(operator, shape)
    found = torch.linalg.svdvals(matrix)
    found = found[found > 1e-9]
    like = operator.vt(torch.ones(1, *shape, dtype=torch.float64))
    claimed = operator.s.double().expand_as(like)
    if isinstance(operator, Mask | GrayWithHints):  # Lost coefficients stay in place: they count as rank only where kept.
        claimed = claimed[operator.keep.expand_as(like)]
    torch.testing.assert_close(found, claimed.flatten().sort(descending=True).values, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", SINGLES)
def test_prox_solve_and_pinv_equal_dense_linear_algebra(name):
    operator, (_, *shape) = SINGLES[name]
    matrix = dense(operator, shape)
    generator = torch.Generator().manual_seed(3)
    v = torch.randn(1, *shape, generator=generator, dtype=torch.float64)
    y = operator(torch.randn(1, *shape, generator=generator, dtype=torch.float64))
    rank, size = matrix.shape
    for rho in (1e-3, 0.4, 7.0):
        normal = matrix.T @ matrix + rho * torch.eye(size, dtype=torch.float64)
        wanted = torch.linalg.solve(normal, matrix.T @ y.flatten() + rho * v.flatten())
        torch.testing.assert_close(operator.prox(v, y, rho).flatten(), wanted, atol=1e-9, rtol=0)
        normal = 0.7 * matrix @ matrix.T + rho * torch.eye(rank, dtype=torch.float64)
        torch.testing.assert_close(
            operator.solve(y, 0.7, rho).flatten(), torch.linalg.solve(normal, y.flatten()), atol=1e-9, rtol=0
        )
    inverse = torch.linalg.pinv(matrix, rtol=1e-10)
    torch.testing.assert_close(operator.pinv(y).flatten(), inverse @ y.flatten(), atol=1e-9, rtol=0)
    limit = v.flatten() + inverse @ (y.flatten() - matrix @ v.flatten())
    torch.testing.assert_close(operator.prox(v, y, 0.0).flatten(), limit, atol=1e-9, rtol=0)
    inverse = torch.linalg.pinv(0.7 * matrix @ matrix.T, rtol=1e-10)
    torch.testing.assert_close(operator.solve(y, 0.7, 0.0).flatten(), inverse @ y.flatten(), atol=1e-9, rtol=0)


@given(st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_laws_hold_for_any_mask(data):
    batch, channels = data.draw(st.integers(1, 3)), data.draw(st.sampled_from([1, 3]))
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    keep = kept(
        data.draw(st.sampled_from([1, batch])),
        data.draw(st.sampled_from([1, channels])),
        height,
        width,
        share=data.draw(st.sampled_from([0.0, 0.2, 0.9, 1.0])),
        seed=data.draw(st.integers(0, 99)),
    )
    check_spectral(Mask(keep), (batch, channels, height, width))


def test_the_laws_catch_wrong_operators():
    def column(value):
        return torch.as_tensor(value, dtype=torch.float64).reshape(-1, 1, 1, 1)

    class Off(Linear):
        """Half of the picture, and parts that may be wrong by a factor."""

        def __init__(self, adjoint=1.0, pinv=1.0, prox=1.0, solve=1.0):
            self.by = {"adjoint": adjoint, "pinv": pinv, "prox": prox, "solve": solve}

        def __call__(self, x):
            return x / 2

        def pinv(self, y):
            return 2 * y * self.by["pinv"]

        def adjoint(self, y):
            return y / 2 * self.by["adjoint"]

        def prox(self, v, y, rho):
            rho = column(rho)
            return (y / 2 + rho * v) / (0.25 + rho) * self.by["prox"]

        def solve(self, r, scale, shift):
            return r / (column(scale) * 0.25 + column(shift)) * self.by["solve"]

    check_linear(Off(), (2, 1, 4, 4))
    for part, law in {"adjoint": "<A x, y>", "pinv": "pinv", "prox": "prox", "solve": "solve"}.items():
        with pytest.raises(AssertionError, match=law):
            check_linear(Off(**{part: 1.001}), (2, 1, 4, 4))


def test_the_laws_catch_a_wrong_crop_and_a_changed_input():
    class Crops(Identity):
        def crop(self, box):
            return Gray()

    with pytest.raises(AssertionError, match="crop"):
        check_operator(Crops(), (1, 3, 6, 6))

    class Edits(Identity):
        def pinv(self, y):
            return y.mul_(1.0).add_(0.1)

    with pytest.raises(AssertionError):
        check_operator(Edits(), (1, 3, 6, 6))


@pytest.mark.parametrize("name", CASES)
def test_operators_follow_the_device_of_their_input(name):
    # The meta device stands for any other than the one the operator's own tensors lie on.
    operator, shape = CASES[name]
    x = torch.empty(shape, device="meta")
    y = operator(x)
    rho = torch.ones(shape[0], device="meta")
    for answer in (
        y,
        operator.pinv(y),
        operator.adjoint(y),
        operator.prox(x, y, rho),
        operator.prox(x, y, 0.5),
        operator.solve(y, rho, 0.1),
    ):
        assert answer.device.type == "meta"
        assert answer.dtype == torch.float32


def test_mask_keeps_known_pixels_and_zeroes_lost_ones():
    keep = torch.tensor([[True, False], [False, True]])[None, None]
    x = torch.arange(4.0).reshape(1, 1, 2, 2) + 1
    assert Mask(keep)(x).flatten().tolist() == [1, 0, 0, 4]
    assert Mask(keep).missing_mask((1, 1, 2, 2)).flatten().tolist() == [False, True, True, False]


def test_mask_is_open_where_any_channel_or_picture_is():
    keep = torch.ones(2, 3, 1, 4, dtype=torch.bool)
    keep[0, 1, 0, 1] = keep[1, 2, 0, 3] = False
    assert Mask(keep).missing_mask((2, 3, 1, 4)).flatten().tolist() == [False, True, False, True]


@pytest.mark.parametrize("keep", [torch.ones(1, 1, 2, 2), torch.ones(2, 2, dtype=torch.bool)], ids=["float", "2-d"])
def test_mask_refuses_what_is_no_mask(keep):
    with pytest.raises(OperatorError, match="bool tensor"):
        Mask(keep)


def test_gray_is_the_gray_of_pillow():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
    assert np.abs(Gray()(x)[0, 0].numpy() - wanted).max() <= 0.51  # Pillow rounds to whole values.


def test_gray_guess_explains_y_and_is_gray():
    y = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(1, 1, 3, 4)
    guess = Gray().initial_estimate(y)
    torch.testing.assert_close(Gray()(guess), y, atol=1e-14, rtol=0)
    assert torch.equal(guess[:, :1].expand_as(guess), guess)


def test_hints_measure_luma_everywhere_and_colour_at_hints():
    hints = kept(1, 1, 5, 6, share=0.3)
    x = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    operator, gray = GrayWithHints(hints), Gray()
    y = operator(x)
    torch.testing.assert_close(y[:, :1] * gray.weights.norm(), gray(x), atol=1e-14, rtol=0)
    assert bool((y[:, 1:] == 0).logical_or(hints).all())
    at = hints.expand_as(x)
    torch.testing.assert_close(operator.pinv(y)[at], x[at], atol=1e-14, rtol=0)
    torch.testing.assert_close(operator.initial_estimate(y)[at], x[at], atol=1e-14, rtol=0)
    torch.testing.assert_close(gray(operator.initial_estimate(y)), gray(x), atol=1e-12, rtol=0)


def test_hints_spread_their_colour_and_leave_gray_gray_without_any():
    gray = torch.full((1, 3, 6, 6), 0.3, dtype=torch.float64)
    none = GrayWithHints(torch.zeros(1, 1, 6, 6, dtype=torch.bool))
    torch.testing.assert_close(Gray()(none.initial_estimate(none(gray))), Gray()(gray), atol=1e-14, rtol=0)
    red = torch.tensor([0.8, -0.2, -0.4], dtype=torch.float64).reshape(1, 3, 1, 1).expand(1, 3, 6, 6)
    hints = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    hints[..., 1, 2] = True
    one = GrayWithHints(hints)
    torch.testing.assert_close(one.initial_estimate(one(red)), red, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_bicubic_equals_torch(scale):
    size = (4 * scale, 7 * scale)
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = F.interpolate(x, size=(4, 7), mode="bicubic", antialias=True, align_corners=False)
    torch.testing.assert_close(Downsample(size, scale)(x), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_bicubic_equals_pillow_up_to_its_rounding(scale):
    size = (6 * scale, 8 * scale)
    pixels = np.random.default_rng(1).uniform(-1, 1, size).astype(np.float32)
    wanted = np.asarray(Image.fromarray(pixels).resize((8, 6), Image.Resampling.BICUBIC))  # Mode F: no rounding to bytes.
    found = Downsample(size, scale)(torch.from_numpy(pixels)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize("kernel", ["bicubic", "box", "lanczos", "gaussian:0.6"])
def test_reduction_keeps_constants(kernel):
    x = torch.full((1, 3, 12, 20), 0.7, dtype=torch.float64)
    torch.testing.assert_close(
        Downsample((12, 20), 4, kernel)(x), torch.full((1, 3, 3, 5), 0.7, dtype=torch.float64), atol=1e-13, rtol=0
    )


def test_box_is_the_mean_of_blocks():
    x = torch.arange(16.0, dtype=torch.float64).reshape(1, 1, 4, 4)
    torch.testing.assert_close(
        Downsample((4, 4), 2, "box")(x)[0, 0], torch.tensor([[2.5, 4.5], [10.5, 12.5]], dtype=torch.float64)
    )


def test_box_guess_of_a_constant_is_the_constant():
    operator = Downsample((6, 9), 3, "box")
    torch.testing.assert_close(operator.initial_estimate(torch.full((1, 3, 2, 3), -0.4)), torch.full((1, 3, 6, 9), -0.4))


@pytest.mark.parametrize(
    ("size", "scale", "kernel"),
    [((5, 4), 2, "box"), ((4, 4), 0, "box"), ((4, 4), 2, "sinc"), ((4, 4), 2, "gaussian:9"), ((4, 4), 2, "gaussian")],
)
def test_downsample_refuses(size, scale, kernel):
    with pytest.raises(OperatorError):
        Downsample(size, scale, kernel)


def test_downsample_does_not_enlarge():
    with pytest.raises(OperatorError, match="cannot make"):
        Downsample.between((8, 8), (9, 8))


@pytest.mark.parametrize(("size", "small"), [((24, 30), (10, 11)), ((17, 40), (16, 38))])
def test_any_factor_equals_torch_and_pillow(size, small):
    pixels = np.random.default_rng(1).uniform(-1, 1, size).astype(np.float32)
    x = torch.from_numpy(pixels)[None, None].double()
    wanted = F.interpolate(x, size=small, mode="bicubic", antialias=True, align_corners=False)
    torch.testing.assert_close(Downsample.between(size, small)(x), wanted, atol=1e-12, rtol=0)
    wanted = np.asarray(Image.fromarray(pixels).resize(small[::-1], Image.Resampling.LANCZOS))
    found = Downsample.between(size, small, "lanczos")(x)[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_a_box_of_any_factor_shares_pixels_by_area():
    x = torch.tensor([[1.0, 2, 4, 8, 16]], dtype=torch.float64)[None, None]
    found = Downsample.between((1, 5), (1, 2), "box")(x)[0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([(1 + 2 + 4 / 2) / 2.5, (4 / 2 + 8 + 16) / 2.5], dtype=torch.float64))


@pytest.mark.parametrize("width", [0.3, 0.5, 1.0])
def test_a_gaussian_reduction_is_as_wide_as_said(width):
    # An impulse far from the border: moments of what it leaves, in pixels of the small picture.
    x = torch.zeros(1, 1, 1, 160, dtype=torch.float64)
    x[..., 80] = 1
    found = Downsample.between((1, 160), (1, 32), f"gaussian:{width}")(x)[0, 0, 0]
    place = torch.arange(32) + 0.5
    mean = (found * place).sum() / found.sum()
    assert float(mean) == pytest.approx(80.5 / 5, abs=0.2)
    if width >= 1:
        assert float((found * (place - mean) ** 2).sum() / found.sum()) == pytest.approx(width**2, rel=0.02)


def test_separable_refuses_a_singular_matrix():
    with pytest.raises(OperatorError, match="full rank"):
        Separable(torch.ones(2, 4), torch.eye(3))


# pull_push


@given(st.integers(1, 17), st.integers(1, 17), st.integers(0, 99))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_fill_reproduces_constants_and_keeps_known_samples(height, width, seed):
    weight = kept(2, 3, height, width, share=0.1, seed=seed).double()
    weight[..., 0, 0] = 1
    constant = torch.full((2, 3, height, width), 0.37, dtype=torch.float64)
    torch.testing.assert_close(pull_push(constant * weight, weight), constant, atol=1e-13, rtol=0)
    y = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    filled = pull_push(y, weight)
    assert torch.equal(filled[weight == 1], y[weight == 1])
    # Averages of known samples: each channel of each picture stays within its own known range.
    for one, known, known_weight in zip(filled.flatten(0, 1), y.flatten(0, 1), weight.flatten(0, 1), strict=True):
        values = known[known_weight == 1]
        assert values.min() - 1e-12 <= one.min() <= one.max() <= values.max() + 1e-12


def test_fill_does_not_read_lost_samples():
    weight = kept(1, 1, 7, 9, share=0.5).double()
    y = torch.randn(1, 1, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    changed = torch.where(weight == 0, torch.full_like(y, 1e6), y)
    torch.testing.assert_close(pull_push(changed, weight), pull_push(y, weight), atol=1e-12, rtol=0)


def test_fill_of_one_picture_does_not_depend_on_the_others():
    weight = torch.cat([kept(1, 1, 9, 6, share=share).double() for share in (0.0, 0.3, 1.0)])
    y = torch.randn(3, 1, 9, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * weight
    together = pull_push(y, weight)
    alone = torch.cat([pull_push(y[i : i + 1], weight[i : i + 1]) for i in range(3)])
    assert torch.equal(together, alone)


def test_fill_with_nothing_known_is_zero():
    for size in ((1, 1), (5, 8)):
        assert torch.equal(pull_push(torch.ones(1, 2, *size), torch.zeros(1, 2, *size)), torch.zeros(1, 2, *size))


def test_fill_continues_a_ramp_between_its_ends():
    y = torch.linspace(-1, 1, 32, dtype=torch.float64).expand(1, 1, 32, 32)
    weight = torch.ones_like(y)
    weight[..., 12:20] = 0
    assert (pull_push(y * weight, weight) - y).abs().max() < 0.2  # A flat fill of the mean would be off by 0.45.
