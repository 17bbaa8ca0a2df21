"""What a run will take, estimated and counted; windows that fit into a bound."""

import dataclasses

import numpy as np
import pytest
import torch
from photographs import Blurring, Counting, Shrinking, cheap, crop
from test_solver import inpainting, planned

from restore import Restorer
from restore.device import memory
from restore.errors import OutOfMemoryError, UsageError
from restore.guidance import DDNM, PiGDM, PnP
from restore.operators import Mask
from restore.planning import timing
from restore.planning.dry_run import dry_run
from restore.planning.plan import fit
from restore.planning.timing import Evaluations
from restore.plugins import manager as plugins
from restore.problem import Problem
from restore.sampling.samplers import heun
from restore.task import Task
from restore.tiling.tiled import LEAST

CPU = torch.device("cpu")
MASK = torch.zeros(200, 200, dtype=torch.bool).numpy()
MASK[20:180, 60:70] = True
LONE = torch.zeros(200, 200, dtype=torch.bool).numpy()
LONE[20:30, 20:30] = LONE[170:180, 180:190] = True


class Heavy(Blurring):
    """Holds a known number of bytes a pixel."""

    def denoise(self, x, sigma):
        held = torch.zeros(len(x), 250, *x.shape[-2:])
        return super().denoise(x, sigma) + held.sum(dim=1, keepdim=True)


class Pictures(Counting):
    """Counts pictures, not calls."""

    def denoise(self, x, sigma):
        self.calls += len(x) - 1
        return super().denoise(x, sigma)


@pytest.mark.parametrize("tile", [None, 64, 100])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("mask", [MASK, LONE], ids=["long", "two"])
@pytest.mark.parametrize(
    "words", [{}, {"guidance": "ddnm"}, {"guidance": "repaint"}, {"guidance": "pigdm"}, {"sampler": heun()}]
)
def test_evaluations_and_transitions_are_those_of_the_run(words, mask, samples, tile):
    if samples > 1 and not words.get("guidance"):
        words = {**words, "guidance": "ddnm"}
    words = {**words, "mask": mask, "samples": samples, "steps": 3}
    picture = crop("chelsea", 0, 0, 200)
    estimated = cheap(Shrinking(), tile=tile).estimate("inpaint", picture, **words)
    counting = Pictures(Shrinking())
    events = list(cheap(counting, tile=tile).stream("inpaint", picture, **words))
    assert estimated.evaluations == counting.calls
    assert estimated.transitions == events[-1].steps
    assert (estimated.width, estimated.height) == (200, 200)
    assert all(width <= (tile or 200) and height <= (tile or 200) for _, width, height in estimated.windows)


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_evaluations_of_denoising_count_every_orientation(quality):
    picture = crop("chelsea", 0, 0, 150)
    counting = Pictures(Shrinking())
    cheap(counting, tile=64)("denoise", picture, sigma=20, quality=quality)
    estimated = cheap(Shrinking(), tile=64).estimate("denoise", picture, sigma=20, quality=quality)
    assert estimated.evaluations == counting.calls
    assert estimated.evaluations == estimated.windows[0][0] * (8 if quality == "best" else 1)


@dataclasses.dataclass(frozen=True)
class NoOptions:
    pass


class Complete(Task):
    name, help, Options = "complete", "Nothing is missing.", NoOptions

    def problem(self, picture, options):
        keep = torch.ones(1, 1, *picture.size, dtype=torch.bool)
        return Problem(y=picture.pixels, operator=Mask(keep), sigma_y=0.0, shape=tuple(picture.pixels.shape))


def test_nothing_to_do_is_estimated_as_nothing():
    picture = crop("chelsea", 0, 0, 100)
    estimated = cheap(Shrinking()).estimate(Complete(), picture)
    assert (estimated.windows, estimated.evaluations, estimated.transitions) == ((), 0, 0)


@pytest.mark.parametrize("name", sorted(set(plugins.load().guidances) - {"daps", "dps", "tds"}))
def test_every_method_can_be_tried(name):
    problem, prior = inpainting(64, 64, [(10, 20, 10, 20)]), Shrinking()
    method = plugins.load().guidance(name)()
    schedule = method.schedule(prior, problem, 3)
    found = dry_run(problem, prior, method, method.sampler(), schedule)
    assert len(found.levels) >= 1
    assert 2 < found.held < 20
    assert (found.gradients > 0) == (name in {"pigdm", "mmps"})


def test_what_the_run_holds_grows_with_the_picture_and_not_with_steps():
    problem, prior = inpainting(64, 64, [(10, 20, 10, 20)]), Shrinking()
    held = [dry_run(problem, prior, DDNM(), DDNM().sampler(), DDNM().schedule(prior, problem, steps)).held for steps in (2, 20)]
    assert held[0] == pytest.approx(held[1], rel=0.01)


def chosen(bound, prior=None, size=(1200, 1300), method=None):
    problem = inpainting(*size, [(4, size[0] - 4, 4, size[1] - 4)])
    return fit(planned(problem, prior or Heavy(), method or PnP(), 2), bound)


def test_windows_get_smaller_with_the_bound_and_never_larger_than_it(monkeypatch):
    base = 500_000_000
    monkeypatch.setattr(memory, "used", lambda device: base)  # What the process holds changes from call to call.
    sides = []
    for more in (3e9, 1.2e9, 0.6e9, 0.35e9):
        plan = chosen(int(base + more))
        side = plan.windows[0] or 1024
        at_once = min(plan.at_once, max(1, 2**17 // side**2))
        assert at_once * side**2 * 1000 < more
        sides.append(side)
    assert sides == sorted(sides, reverse=True)
    assert len(set(sides)) >= 3


def test_without_a_bound_what_fits_is_as_ever():
    plan = planned(inpainting(600, 700, [(4, 596, 4, 696)]), Heavy(), PnP(), 2)
    assert fit(plan) == plan


def test_a_graph_needs_more_than_an_answer():
    class Deep(Blurring):
        def denoise(self, x, sigma):
            for _ in range(100):
                x = x.tanh()
            return x

    bound = memory.used(CPU) + 250_000_000
    sides = [chosen(bound, Deep(), (600, 700), method).windows[0] for method in (PnP(), PiGDM())]
    assert sides[0] is None
    assert sides[1] is not None


def test_too_small_a_bound_says_what_the_least_is(monkeypatch):
    monkeypatch.setattr(memory, "used", lambda device: 500_000_000)  # What the process holds changes from call to call.
    with pytest.raises(
        OutOfMemoryError, match="too little for a picture of 1300x1200 pixels and the smallest window; allow"
    ) as caught:
        chosen(10_000_000)
    assert caught.value.exit_code == 4
    least = str(caught.value).rsplit("allow ")[1].removesuffix(" or more").replace(" ", "")
    plan = chosen(memory.parse(least))
    assert LEAST <= plan.windows[0] < 1024
    with pytest.raises(UsageError, match="'lots' is no size of memory"):
        cheap_with("lots")


def cheap_with(bound, prior=None, tile=None):
    return Restorer(prior or Shrinking(), placement=cheap().placement, max_memory=bound, tile=tile)


def test_the_tile_wins_over_the_bound_and_is_remembered():
    picture = crop("chelsea", 0, 0, 200)
    result = cheap_with("1MB", tile=100)("denoise", picture, sigma=20)
    assert result.record["request"]["tile"] == 100
    assert cheap()("denoise", picture, sigma=20).record["request"]["tile"] is None
    with pytest.raises(OutOfMemoryError):
        cheap_with("1MB")("denoise", picture, sigma=20)


def test_windows_made_small_by_a_bound_are_remembered_and_make_the_same_answer():
    picture = crop("chelsea", 0, 0, 300)
    bound = memory.used(CPU) + 60_000_000
    small = cheap_with(bound, Heavy())("denoise", picture, sigma=20)
    tile = small.record["request"]["tile"]
    assert tile in (64, 128, 256)
    again = cheap_with(None, Heavy(), tile=tile)("denoise", picture, sigma=20)
    torch.testing.assert_close(again.samples, small.samples, atol=1e-6, rtol=0)


def test_an_estimate_is_plain_data():
    estimated = cheap(Shrinking()).estimate("denoise", crop("chelsea", 0, 0, 64), sigma=5)
    assert dataclasses.asdict(estimated)["windows"] == ((1, 64, 64),)
    assert estimated.peak > estimated.picture + estimated.window > 0


@pytest.mark.parametrize("side", [96, 256, 600])
def test_an_estimate_costs_a_fifth_of_the_runs_evaluations_at_most_and_fills_a_small_part_once(monkeypatch, side):
    made, estimate = [], Mask.initial_estimate
    monkeypatch.setattr(Mask, "initial_estimate", lambda self, y: made.append(y.shape) or estimate(self, y))
    monkeypatch.setattr(timing, "ENOUGH", 0.0)  # One try each, so that what is counted does not depend on the machine.
    mask = torch.zeros(side, side, dtype=torch.bool).numpy()
    mask[side // 4 : side // 2, 4:-4] = True
    picture = np.full((side, side, 3), 0.4, np.float32)
    planning, running = Counting(Shrinking()), Counting(Shrinking())
    cheap(planning).estimate("inpaint", picture, mask=mask)
    large = [shape for shape in made if max(shape[-2:]) > 16]
    assert len(large) == 1
    assert max(large[0][-2:]) <= timing.PART
    cheap(running)("inpaint", picture, mask=mask)
    assert planning.pixels < running.pixels / 5


def test_seconds_are_those_of_an_evaluation_times_evaluations_and_of_setting_up(monkeypatch):
    # A pixel takes 1 microsecond forward and 2 back; the first of a size half as much again, the first of all 3 seconds more.
    def evaluated(prior, size, device, *, gradients, tries, at_least=1):
        pixels = size[0] * size[1]
        return (pixels * 1e-6 + 3.0 * (tries == 1), pixels * 2e-6 * gradients), pixels, pixels * 1.5e-6

    monkeypatch.setattr(timing, "_evaluated", evaluated)
    work = [Evaluations((100, 200), 1, 10, 0), Evaluations((50, 50), 4, 40, 5)]
    seconds = timing.in_network(Shrinking(), work, torch.device("cpu"))
    assert seconds == pytest.approx(3.0 + 10 * 0.02 + 40 * 0.0025 + 5 * 0.005 + 0.01)


def test_what_takes_long_is_evaluated_twice_at_half_its_size(monkeypatch):
    evaluated = []

    def times(work, tries=3, at_least=1):
        evaluated.append(at_least)
        work()
        return [1.0]

    class Seen(Shrinking):
        def denoise(self, x, sigma):
            pixels.append(x.shape[-2] * x.shape[-1])
            return x

    pixels = []
    monkeypatch.setattr(timing, "_times", times)
    timing.in_network(Seen(), [Evaluations((1024, 1024), 1, 24, 0)], torch.device("cpu"))
    assert evaluated == [1, 2]
    assert 0.45 * 1024**2 <= pixels[-1] <= 0.5 * 1024**2
