"""Large pictures: no more copies than a run needs, no work where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from photographs import Counting, Shrinking
from test_solver import inpainting, planned
from torch.utils._python_dispatch import TorchDispatchMode

from restore.guidance import DDNM, PnP
from restore.images.samples import BAND, to_pixels, to_samples
from restore.operators import Downsample, Identity, Mask
from restore.operators.operator import Spectral
from restore.planning.activation_memory import Live
from restore.problem import Problem, finite
from restore.results.consistency import consistency
from restore.solving.solver import run
from restore.tiling.tiled import Tiled


class Touched(TorchDispatchMode):
    """Counts the numbers that operations write."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        if isinstance(answer, torch.Tensor) and not func.is_view:
            self.numbers += answer.numel()
        return answer


@pytest.mark.parametrize("method", [PnP(), DDNM(eta=0.0)])
def test_a_step_passes_over_what_windows_skip_a_few_times_only(method):
    problem = inpainting(1024, 1024, [(8 * k, 8 * k + 8, 8 * k, 8 * k + 4) for k in range(128)])
    counting = Counting(Shrinking())
    plan = planned(problem, counting, method, 4)
    assert plan.boxes == ((0, 1024, 0, 1024),)
    events = run([plan], 0.0, 0)
    next(events)
    before = counting.pixels
    with Touched() as touched:
        next(events)
    evaluated, picture = 3 * (counting.pixels - before), problem.y.numel()
    assert evaluated < 0.6 * picture
    # Windows are cut, turned, weighed and added: some passes over them. Of the whole, the sampler's own (none for PnP, which
    # has no noise; the return of old noise for DDIM), a copy that windows change, and two for the measurement.
    assert touched.numbers < 12 * evaluated + (4 if isinstance(method, PnP) else 8) * picture


def test_windows_that_are_skipped_answer_x():
    x = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    wanted = torch.zeros(1, 1, 200, 200, dtype=torch.bool)
    wanted[..., 150:, 150:] = True
    found = Tiled(Shrinking(), window=64, wanted=wanted)(x, 2.0)
    assert torch.equal(found[..., :64, :64], x[..., :64, :64])
    torch.testing.assert_close(found[..., 150:, 150:], x[..., 150:, 150:] / 5, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rho", [0.0, 0.3, torch.tensor(2.0), torch.tensor([0.1, 4.0])])
def test_the_proximal_point_of_a_mask_is_that_of_its_singular_values(rho):
    generator = torch.Generator().manual_seed(0)
    v, y = torch.randn(2, 3, 9, 7, generator=generator), torch.randn(1, 3, 9, 7, generator=generator)
    mask = Mask(torch.rand(1, 1, 9, 7, generator=generator) > 0.4)
    torch.testing.assert_close(mask.prox(v, y, rho), Spectral.prox(mask, v, y, rho), atol=1e-6, rtol=0)
    if isinstance(rho, float) and rho == 0:
        known = mask.keep.expand_as(v)
        assert torch.equal(mask.prox(v, y, rho)[known], y.expand_as(v)[known])


def test_operators_go_to_a_device_once():
    mask = Mask(torch.ones(1, 1, 4, 4, dtype=torch.bool))
    assert mask.to(torch.device("meta")).keep.is_meta
    assert Identity().to(torch.device("meta")).s is not None


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("height", [1, BAND - 1, BAND, 2 * BAND + 3])
def test_samples_and_pixels_are_converted_some_rows_at_a_time(depth, height):
    samples = np.random.default_rng(0).integers(0, 2**depth, (height, 5, 3), f"uint{depth}")
    pixels = to_pixels(samples)
    half = np.float32((2**depth - 1) / 2)
    assert np.array_equal(pixels[0].permute(1, 2, 0).numpy(), samples.astype(np.float32) / half - np.float32(1))
    assert np.array_equal(to_samples(pixels, depth), samples)


@pytest.mark.parametrize("height", [5, 512, 1100])
def test_agreement_is_that_of_the_whole(height):
    generator = torch.Generator().manual_seed(0)
    answer = torch.rand(1, 3, height, 20, generator=generator) * 2 - 1
    keep = torch.rand(1, 1, height, 20, generator=generator) > 0.5
    for operator in (Mask(keep), Identity(), Downsample((height, 20), 5)) if height % 5 == 0 else (Mask(keep), Identity()):
        for sigma_y in (0.0, 0.2):
            y = operator(answer)
            y = y + 0.1 * torch.randn(y.shape, generator=generator)
            problem = Problem(y=y, operator=operator, sigma_y=sigma_y, shape=tuple(answer.shape))
            wanted = float((y - operator(answer)).square().mean().sqrt())
            wanted = wanted / sigma_y if sigma_y else wanted * 127.5
            assert consistency(problem, answer) == pytest.approx(wanted, rel=1e-4)


def test_finite_makes_no_copy_and_finds_everything():
    x = torch.zeros(1, 3, 50, 50)
    with Live() as live:
        assert finite(x)
    assert live.peak < 100
    for value in (float("nan"), float("inf"), float("-inf")):
        x[0, 1, 20, 30] = value
        assert not finite(x)


PEAK = """
import sys
import numpy as np
import torch
from restore import Restorer
from restore.device.placement import Placement
from restore.priors import Prior

class Shrinking(Prior):
    def denoise(self, x, sigma):
        return x / (1 + sigma[:, None, None, None] ** 2)

def told(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

side, words = int(sys.argv[1]), eval(sys.argv[2])
restorer = Restorer(Shrinking(), placement=Placement(torch.device("cpu"), torch.float32), tile=256)
mask = np.zeros((64, 64), bool); mask[20:30, 20:30] = True
restorer("inpaint", np.zeros((64, 64, 3), np.uint8), mask=mask, steps=2)  # What the first run loads is no picture's.
open("/proc/self/clear_refs", "w").write("5")  # The high-water mark begins anew.
before = told("VmRSS")
picture = np.random.default_rng(0).integers(1, 255, (side, side, 3), np.uint8)  # None clipped.
mask = np.zeros((side, side), bool); mask[100:-100:300] = True
restorer("denoise", picture, sigma=20) if words is None else restorer("inpaint", picture, mask=mask, **words)
print((told("VmHWM") - before) / (side * side * 3 * 4))
"""


def held(words):
    """Pictures that a run holds at most, of 4 bytes a number."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", PEAK, "2000", repr(words)], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return float(ran.stdout)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells what was held at most")
def test_denoising_holds_the_picture_its_answer_and_that_put_into_range():
    # Samples in and out, y, the answer, the same in range; and bands of rows.
    assert held(None) < 4.5


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells what was held at most")
@pytest.mark.slow  # The same bound at one number of steps is held above.
def test_what_is_held_does_not_grow_with_steps():
    few, many = (held({"guidance": "ddnm", "steps": steps}) for steps in (2, 8))
    assert many == pytest.approx(few, rel=0.05)


def test_an_initial_estimate_is_made_once(monkeypatch):
    problem, made = inpainting(64, 64, [(20, 30, 20, 30)]), []
    estimate = Mask.initial_estimate
    monkeypatch.setattr(Mask, "initial_estimate", lambda self, y: made.append(y) or estimate(self, y))
    list(run([planned(problem, Shrinking(), PnP(), 2)], 1.0, 0))
    assert len(made) == 1
