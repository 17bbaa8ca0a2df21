"""Windows: where they lie, what they count, that they change nothing, and what happens when memory does not do."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import Blurring, Counting, Shrinking
from torch import nn
from torch.nn import functional as F

from restore.errors import OutOfMemoryError, UsageError
from restore.priors import DDPM, Prior
from restore.tiling.layout import overlap_for, shift_at, windows
from restore.tiling.tiled import Tiled

ABAR = torch.linspace(0.99, 0.01, 10, dtype=torch.float64)


def pictures(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


class Bent(Prior):
    """Not linear, looks at the eight neighbours, and depends on where a block of `multiple_of` pixels begins."""

    def __init__(self, multiple_of=1, channels=3):
        super().__init__()
        self.multiple_of, self.channels, self.context = multiple_of, channels, 8

    def denoise(self, x, sigma):
        mean = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        blocks = F.interpolate(F.avg_pool2d(x, self.multiple_of), scale_factor=self.multiple_of)
        return (mean * (1 + blocks**2) / (1 + sigma[:, None, None, None])).tanh()


# Where windows lie


LAYOUTS = {"height": st.integers(1, 90), "width": st.integers(1, 90), "window": st.integers(1, 40)}


@given(**LAYOUTS, share=st.floats(0, 0.5), multiple=st.sampled_from([1, 2, 4]), shift=st.floats(-1, 1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_windows_are_of_one_size_start_at_blocks_and_weigh_one_in_all(height, width, window, share, multiple, shift):
    height, width = min(height, 12 * window), min(width, 12 * window)  # More windows take long and show nothing more.
    overlap = int(share * (window // multiple - 1) * multiple)
    margin = -(-overlap // (2 * multiple))
    if window // multiple - 2 * margin < 1:
        return
    found = windows(height, width, window, overlap, multiple=multiple, shift=(shift, -shift))
    high, wide = (-(-side // multiple) * multiple for side in (height, width))
    total = torch.zeros(1, 1, high, wide, dtype=torch.float64)
    sizes = set()
    for one in found:
        top, bottom, left, right = one.box
        assert 0 <= top < bottom <= high
        assert 0 <= left < right <= wide
        assert bottom - top <= max(window, -(-min(window, height) // multiple) * multiple)
        assert top % multiple == left % multiple == (bottom - top) % multiple == (right - left) % multiple == 0
        sizes.add((bottom - top, right - left))
        weight = one.weight(total)
        assert weight.min() >= -1e-12
        one.cut(total).add_(weight)
    assert len(sizes) == 1
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-12, rtol=0)


@pytest.mark.parametrize("shift", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_inner_edges_weigh_nothing_and_the_pictures_edges_count(shift):
    for one in windows(300, 260, 128, 32, shift=(shift, shift)):
        top, bottom, left, right = one.box
        weight = one.weight(torch.zeros(1))[0, 0]
        for edge, outer in (
            (weight[0], top == 0),
            (weight[-1], bottom == 300),
            (weight[:, 0], left == 0),
            (weight[:, -1], right == 260),
        ):
            assert (edge.max() > 0.999) == outer
            assert outer or edge.max() == 0
        # As far as half the overlap is shared, only its inner half is used.
        if top > 0:
            assert weight[:8].max() == 0


def test_windows_share_the_overlap():
    for length in (129, 300, 1000):
        starts = sorted({one.box[0] for one in windows(length, 10, 128, 32)})
        side = windows(length, 10, 128, 32)[0].box[1]
        assert all(first + side - second >= 32 for first, second in pairwise(starts))


def test_windows_are_no_larger_than_their_number_asks_for():
    found = windows(1100, 1024, 1024, 92)
    assert len(found) == 2
    assert found[0].box == (0, 550 + 92, 0, 1024)


def test_borders_move_from_level_to_level_evenly():
    shifts = torch.tensor([shift_at(math.exp(number / 16)) for number in range(64)])
    assert shifts.abs().max() <= 1
    for axis in shifts.T:
        # 64 values in 2: gaps are four times the average at most.
        assert axis.sort().values.diff().max() < 4 * 2 / 64
        assert len(set(axis.tolist())) == 64
    assert shift_at(0.5) == shift_at(0.5)
    borders = {windows(400, 400, 256, 64, shift=shift_at(0.5 * 0.8**step))[0].rows.high for step in range(12)}
    assert len(borders) >= 8
    assert max(borders) - min(borders) > 40


def test_overlap_too_wide_is_refused():
    with pytest.raises(UsageError, match="windows of 16 pixels cannot overlap by 16"):
        Tiled(Shrinking(), window=16, overlap=16)
    with pytest.raises(UsageError, match="cannot overlap by 15"):
        windows(40, 40, 16, 15)
    assert (overlap_for(92, 512), overlap_for(92, 128)) == (92, 32)


# What they answer


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 7), st.integers(1, 5), st.sampled_from([1, 4]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_tiles_of_a_pointwise_prior_equal_the_whole(height, width, overlap, batch, multiple):
    x, sigma = pictures(2, 3, height, width), torch.tensor([0.5, 2.0], dtype=torch.float64)
    inner = Counting(Shrinking())
    inner.multiple_of = multiple
    tiled = Tiled(inner, window=16, overlap=overlap, batch=batch)
    torch.testing.assert_close(tiled(x, sigma), Shrinking()(x, sigma), atol=1e-13, rtol=0)
    assert inner.largest <= 16


def test_tiles_of_a_prior_that_looks_less_far_than_the_overlap_equal_the_whole():
    # Here every pixel that counts sees all its neighbours, at every level: nothing but rounding is left.
    for multiple in (1, 4):
        prior, x = Bent(multiple), pictures(2, 3, 75, 90)
        for sigma in (0.05, 0.4, 3.0):
            found = Tiled(prior, window=32, overlap=8, batch=3)(x, sigma)
            torch.testing.assert_close(found, prior(x, sigma), atol=1e-13, rtol=0)


def test_a_picture_of_one_window_goes_through_whole():
    inner = Counting(Bent())
    x = pictures(2, 3, 16, 9)
    assert torch.equal(Tiled(inner, window=16, batch=2)(x, 1.0), inner(x, 1.0))
    assert inner.calls == 2


@pytest.mark.parametrize(("batch", "calls"), [(1, 18), (4, 5), (18, 1), (100, 1)])
def test_windows_of_all_samples_go_through_in_batches(batch, calls):
    inner = Counting(Bent())
    x, sigma = pictures(2, 3, 40, 40), torch.tensor([0.5, 2.0], dtype=torch.float64)
    found = Tiled(inner, window=24, overlap=8, batch=batch)(x, sigma)
    assert inner.calls == calls
    # Each at its own level.
    torch.testing.assert_close(found, Bent()(x, sigma), atol=1e-13, rtol=0)


def test_windows_without_a_wanted_pixel_are_skipped_and_answer_x():
    wanted = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    wanted[..., 3, 35] = True
    inner = Counting(Bent())
    x = pictures(2, 3, 40, 40)
    found = Tiled(inner, window=16, overlap=4, wanted=wanted, batch=2)(x, 1.0)
    assert (inner.calls, inner.pixels) == (1, 2 * 14**2)
    torch.testing.assert_close(found[..., 3, 35], Bent()(x, 1.0)[..., 3, 35], atol=1e-14, rtol=0)
    torch.testing.assert_close(found[..., 20:, :], x[..., 20:, :], atol=1e-15, rtol=0)
    torch.testing.assert_close(found[..., :20], x[..., :20], atol=1e-15, rtol=0)


def test_wanted_pixels_get_the_answer_of_all_windows():
    wanted = torch.zeros(1, 1, 40, 45, dtype=torch.bool)
    wanted[..., 10:14, 20:33] = True
    x = pictures(1, 3, 40, 45)
    for sigma in (0.1, 0.37, 1.0, 5.0):
        some = Tiled(Bent(), window=16, overlap=6, wanted=wanted)(x, sigma)
        every = Tiled(Bent(), window=16, overlap=6)(x, sigma)
        torch.testing.assert_close(some[..., wanted[0, 0]], every[..., wanted[0, 0]], atol=1e-14, rtol=0)


def test_tiled_keeps_what_the_prior_is():
    prior = DDPM(nn.Identity(), ABAR, context=17, multiple_of=2)
    tiled = Tiled(prior)
    for name in ("channels", "context", "sigma_min", "sigma_max", "multiple_of"):
        assert getattr(tiled, name) == getattr(prior, name)
    assert torch.equal(tiled.levels, prior.levels)


# Gradients


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_are_those_of_the_tiled_answer(batch, wanted):
    mask = torch.zeros(1, 1, 30, 41, dtype=torch.bool)
    mask[..., 4:9, 20:30] = True
    tiled = Tiled(Bent(channels=1), window=16, overlap=6, batch=batch, wanted=mask if wanted else None)
    x = pictures(2, 1, 30, 41).requires_grad_()
    sigma = torch.tensor([0.4, 0.9], dtype=torch.float64)
    answer = tiled(x, sigma)
    assert torch.equal(answer.detach(), tiled(x.detach(), sigma))
    direction, pull = pictures(2, 1, 30, 41, seed=1), pictures(2, 1, 30, 41, seed=2)
    (pulled,) = torch.autograd.grad(answer, x, pull, retain_graph=True)
    with torch.no_grad():
        step = 1e-6
        moved = (tiled(x + step * direction, sigma) - tiled(x - step * direction, sigma)) / (2 * step)
    assert float((moved * pull).sum()) == pytest.approx(float((pulled * direction).sum()), rel=1e-7)
    assert torch.equal(torch.autograd.grad(answer, x, pull)[0], pulled)  # As often as is asked.


def test_gradients_through_windows_equal_those_through_the_whole():
    x, pull = pictures(1, 3, 60, 50).requires_grad_(), pictures(1, 3, 60, 50, seed=1)
    found = [torch.autograd.grad(prior(x, 0.7), x, pull)[0] for prior in (Tiled(Bent(), window=32, overlap=8), Bent())]
    torch.testing.assert_close(*found, atol=1e-13, rtol=0)


def test_a_tiled_graph_is_the_picture_and_no_more():
    class Deep(Bent):
        def denoise(self, x, sigma):
            for _ in range(50):
                x = (x + 0.01).tanh()
            return x

    saved = []

    def save(tensor):
        saved.append(tensor.numel())
        return tensor

    x = pictures(1, 3, 64, 64).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        Tiled(Deep(), window=32, overlap=8)(x, 1.0)
        tiled, saved[:] = sum(saved), []
        Deep()(x, 1.0)
    assert tiled == x.numel() + 1
    assert sum(saved) >= 50 * x.numel()


# Lack of memory


LACKS = {
    "torch": torch.OutOfMemoryError("CUDA out of memory"),
    "python": MemoryError(),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
}


class Limited(Counting):
    """Refuses more than so many pixels at once; keeps what it was asked."""

    def __init__(self, prior, limit, error=None):
        super().__init__(prior)
        self.limit, self.error, self.asked = limit, error or MemoryError(), []

    def denoise(self, x, sigma):
        self.asked.append((len(x), *x.shape[-2:]))
        if x[:, 0].numel() > self.limit:
            raise self.error
        return super().denoise(x, sigma)


@pytest.mark.parametrize("error", LACKS.values(), ids=LACKS)
def test_the_batch_is_halved_then_the_window_and_the_failed_one_is_done_again(error):
    x = pictures(1, 3, 300, 300)
    limited = Limited(Bent(), 100**2, error)
    tiled = Tiled(limited, window=160, batch=4)
    torch.testing.assert_close(tiled(x, 1.0), Bent()(x, 1.0), atol=1e-12, rtol=0)
    refused = [asked for asked in limited.asked if asked[0] * asked[1] * asked[2] > limited.limit]
    # Batches of 4, 2 and 1, then windows of half the size: never again what failed once.
    assert [asked[0] for asked in refused] == [4, 2, 1]
    assert len(set(refused)) == 3
    before = len(limited.asked)
    tiled(x, 0.5)
    assert all(math.prod(asked) <= limited.limit for asked in limited.asked[before:])


def test_work_that_was_done_is_not_done_again():
    class Tiring(Limited):
        """Has less memory from the sixth call on."""

        def denoise(self, x, sigma):
            if len(self.asked) == 5:
                self.limit = 70**2
            return super().denoise(x, sigma)

    x = pictures(1, 3, 400, 400)
    tiring = Tiring(Bent(), 10**9)
    found = Tiled(tiring, window=150, batch=1)(x, 1.0)
    torch.testing.assert_close(found, Bent()(x, 1.0), atol=1e-12, rtol=0)
    sides = [asked[1] for asked in tiring.asked]
    large = sides[0]
    assert sides[:6] == [large] * 6
    assert max(sides[6:]) < large


def test_gradients_survive_a_lack_of_memory_forwards_and_backwards():
    x, pull = pictures(1, 3, 200, 200).requires_grad_(), pictures(1, 3, 200, 200, seed=1)
    (wanted,) = torch.autograd.grad(Bent()(x, 1.0), x, pull)
    limited = Limited(Bent(), 110**2)
    whole = Tiled(limited, window=200, batch=8)  # Fails at once.
    (found,) = torch.autograd.grad(whole(x, 1.0), x, pull)
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)

    later = Limited(Bent(), 10**9)
    answer = Tiled(later, window=128, batch=2)(x, 1.0)
    later.limit = 70**2  # Between the answer and its gradient.
    (found,) = torch.autograd.grad(answer, x, pull)
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)
    assert any(math.prod(asked) > later.limit for asked in later.asked)


def test_below_the_least_window_there_is_an_error_that_says_so():
    limited = Limited(Blurring(), 10)
    with pytest.raises(
        OutOfMemoryError, match=r"for a window of \d\dx\d\d pixels, the smallest there is; free some memory"
    ) as caught:
        Tiled(limited, window=256, batch=2)(pictures(1, 3, 300, 500), 1.0)
    assert caught.value.exit_code == 4
    assert max(limited.asked[-1]) <= 64 < max(limited.asked[-2])


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes"):
        Tiled(Limited(Blurring(), 10, RuntimeError("shapes do not fit")), window=64)(pictures(1, 3, 100, 100), 1.0)
