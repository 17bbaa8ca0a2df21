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
from restore.guidance.two_scales import TwoScales
from restore.noise.model import NoiseModel
from restore.operators import Identity, Mask
from restore.operators.gray_with_hints import GrayWithHints
from restore.operators.resample import Downsample
from restore.planning import activation_memory, evaluations, held, timing
from restore.planning.dry_run import FLOOR, dry_run
from restore.planning.estimate import estimate
from restore.planning.evaluations import Evaluations, Measured
from restore.planning.plan import fit, make_plan
from restore.plugins import manager as plugins
from restore.problem import Problem
from restore.sampling.samplers import heun
from restore.solving.solver import last, run
from restore.task import Task
from restore.tiling.tiled import LEAST

CPU = torch.device("cpu")
MASK = torch.zeros(200, 200, dtype=torch.bool).numpy()
MASK[20:180, 60:70] = True
LONE = torch.zeros(200, 200, dtype=torch.bool).numpy()
LONE[20:30, 20:30] = LONE[170:180, 180:190] = True
MISSING = torch.ones(1, 1, 40, 60, dtype=torch.bool)
MISSING[..., 10:20, 10:30] = False


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
    assert len(found.asked) >= 1
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


@pytest.mark.parametrize(("side", "share"), [(96, 1 / 8), (256, 1 / 8), (600, 1 / 5)])
def test_an_estimate_costs_a_small_share_of_the_runs_evaluations_and_fills_a_small_picture_once(monkeypatch, side, share):
    made, estimate = [], Mask.initial_estimate
    monkeypatch.setattr(Mask, "initial_estimate", lambda self, y: made.append(y.shape) or estimate(self, y))
    monkeypatch.setattr(evaluations, "ENOUGH", 0.0)  # What is counted does not depend on the machine.
    mask = torch.zeros(side, side, dtype=torch.bool).numpy()
    mask[side // 4 : side // 2, 4:-4] = True
    picture = np.full((side, side, 3), 0.4, np.float32)
    planning, running = Counting(Shrinking()), Counting(Shrinking())
    cheap(planning).estimate("inpaint", picture, mask=mask, fill="smooth")
    assert sum(max(shape[-2:]) > held.SMALLER for shape in made) == 1
    assert max(max(shape[-2:]) for shape in made) <= (16 if side == 96 else timing.PART)
    cheap(running)("inpaint", picture, mask=mask, fill="smooth")
    assert planning.pixels < running.pixels * share


def test_the_memory_of_small_pictures_is_not_counted(monkeypatch):
    def never(*_):
        raise AssertionError("bytes were counted")

    monkeypatch.setattr(activation_memory.Live, "__enter__", never)
    side = round(FLOOR**0.5)
    small, large = (np.full((side, width, 3), 0.4, np.float32) for width in (side, side + 1))
    mask = np.zeros((side, side), bool)
    mask[40:50, 30:90] = True
    estimated = cheap(Blurring()).estimate("inpaint", small, mask=mask)
    assert estimated.coarse
    assert estimated.peak > estimated.picture + estimated.window
    assert estimated.picture >= 4 * small.size
    assert estimated.window >= 4 * small.size
    with pytest.raises(AssertionError, match="bytes were counted"):
        cheap(Blurring()).estimate("denoise", large, sigma=20)
    with pytest.raises(AssertionError, match="bytes were counted"):  # Graphs hold every layer.
        cheap(Blurring()).estimate("inpaint", small, mask=mask, guidance="pigdm")


def test_a_picture_evaluated_once_is_evaluated_once_to_plan_it_and_the_next_not_at_all():
    planning = Counting(Shrinking())
    restorer, picture = cheap(planning), crop("chelsea", 0, 0, 200)
    first = restorer.estimate("denoise", picture, sigma=20)
    assert (first.evaluations, planning.calls, planning.pixels) == (1, 1, 200 * 200)
    assert restorer.estimate("denoise", picture, sigma=20).evaluations == 1
    assert planning.calls == 1


def test_seconds_are_those_of_an_evaluation_times_evaluations_and_of_setting_up(monkeypatch):
    # A pixel takes 1 microsecond forward and 2 back, a window 5 milliseconds more; the first evaluation 3 seconds more.
    def evaluated(prior, size, device, gradients, tries):
        pixels = size[0] * size[1]
        return Measured(pixels, 0.005 + pixels * 1e-6, pixels * 2e-6 * gradients, 3.0, 70)

    monkeypatch.setattr(evaluations, "_evaluated", evaluated)
    prior = Shrinking()
    work = [Evaluations((100, 200), 1, 10, 1), Evaluations((50, 100), 2, 3, 0), Evaluations((50, 50), 4, 40, 0)]
    wanted = 10 * 0.025 + 0.04 + 3 * 0.01 + 40 * 0.0075
    seconds, rough = evaluations.in_network(prior, work, CPU)
    assert seconds == pytest.approx(3.0 + wanted)
    assert rough == int(70 * evaluations.LAYERS)
    again, _ = evaluations.in_network(prior, work, CPU)
    assert again == pytest.approx(wanted)  # All is set up by then.


def test_what_takes_long_is_evaluated_twice_at_half_its_size(monkeypatch):
    monkeypatch.setattr(evaluations, "ENOUGH", 0.0)
    seen = []

    class Seen(Shrinking):
        def denoise(self, x, sigma):
            seen.append(x.shape[-2] * x.shape[-1])
            return x

    evaluations.in_network(Seen(), [Evaluations((1024, 1024), 1, 24, 0)], CPU)
    assert len(seen) == 3
    assert seen[1] == seen[2]
    assert 0.45 * 1024**2 <= seen[2] <= 0.5 * 1024**2


def test_first_and_last_transitions_are_timed_apart():
    levels = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    assert timing.short(levels).tolist() == [5.0, 4.0, 3.0, 0.0]
    assert timing.short(levels[2:]).tolist() == [3.0, 2.0, 1.0, 0.0]
    assert timing.short(torch.tensor([5.0, 3.0, 4.0, 2.0, 0.0])).tolist() == [5.0, 3.0, 0.0]
    assert timing.extrapolated([7.0, 1.0, 2.0], 24) == 7.0 + 22 * 1.0 + 2.0
    assert timing.extrapolated([3.0, 1.0], 10) == 20.0
    assert timing.extrapolated([3.0], 1) == 3.0


@pytest.mark.parametrize("operator", [Identity(), Mask(MISSING), GrayWithHints(MISSING), Downsample((40, 60), 2)])
def test_operators_are_resized_for_a_plan(operator):
    small = operator.resized((20, 12))
    assert type(small) is type(operator)
    y, whole = small(torch.rand(1, 3, 20, 12)), operator(torch.rand(1, 3, 40, 60))
    assert y.shape[-2] / 20 == whole.shape[-2] / 40
    assert y.shape[-1] / 12 == whole.shape[-1] / 60
    assert small.initial_estimate(y).shape == (1, 3, 20, 12)


def test_a_resized_mask_keeps_its_share_and_hints_are_not_lost():
    keep = torch.ones(1, 1, 200, 200, dtype=torch.bool)
    keep[..., :50] = False
    assert float(Mask(keep).resized((16, 16)).keep.float().mean()) == 0.75
    hints = torch.zeros(1, 1, 200, 200, dtype=torch.bool)
    hints[..., 3, 7] = True
    assert int(GrayWithHints(hints).resized((16, 16)).keep[:, 1].sum()) == 1


@pytest.mark.parametrize("noise", ["white", "coloured"])
def test_what_is_evaluated_on_the_small_picture_counts_as_that(noise):
    small = torch.zeros(1, 3, 24, 40)
    law = NoiseModel.white(0.1)
    if noise == "coloured":
        wide = torch.zeros(3, 3, 3)
        wide[:, 1, 1], wide[:, 0, 1], wide[:, 2, 1] = 1.0, 0.4, 0.4
        law = NoiseModel(law.levels, law.deviation, wide)
    problem = Problem(y=small, operator=Downsample((96, 160), 4), sigma_y=0.1, shape=(1, 3, 96, 160), noise=law)
    method, seen = TwoScales(), []

    class Seen(Shrinking):
        def denoise(self, x, sigma):
            seen.append(tuple(sorted(x.shape[-2:])))  # Views of the prior turn pictures.
            return super().denoise(x, sigma)

    plan = make_plan(problem, Seen(), method, steps=3)
    estimated = estimate([plan])
    seen.clear()
    last(run([plan], 1.0, 0))
    sizes = {size: sum(one == size for one in seen) for size in seen}
    assert sizes == {(24, 40): 1 if noise == "white" else method.first_steps, (96, 160): 3}
    assert estimated.evaluations == len(seen)
    assert set(estimated.windows) == {(1, 40, 24), (1, 160, 96)}
