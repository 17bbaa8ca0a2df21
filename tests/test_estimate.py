"""What a run will take, foretold and counted; windows that fit into a bound."""

import dataclasses

import pytest
import torch
from photographs import Blurring, Counting, Shrinking, cheap, crop
from test_solve import inpainting

from restore import Restorer
from restore.device import memory
from restore.errors import OutOfMemoryError, UsageError
from restore.guidance import DDNM, PiGDM, PnP
from restore.planning.dry_run import rehearse
from restore.planning.estimate import fitted
from restore.plugins import manager as plugins
from restore.sampling.samplers import heun
from restore.tiling.solve import plan
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


class Evaluations(Counting):
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
    foretold = cheap(Shrinking(), tile=tile).plan("inpaint", picture, **words)
    counting = Evaluations(Shrinking())
    events = list(cheap(counting, tile=tile).stream("inpaint", picture, **words))
    assert foretold.evaluations == counting.calls
    assert foretold.transitions == events[-1].steps
    assert (foretold.width, foretold.height) == (200, 200)
    assert all(width <= (tile or 200) and height <= (tile or 200) for _, width, height in foretold.windows)


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_evaluations_of_denoising_count_every_orientation(quality):
    picture = crop("chelsea", 0, 0, 150)
    counting = Evaluations(Shrinking())
    cheap(counting, tile=64)("denoise", picture, sigma=20, quality=quality)
    foretold = cheap(Shrinking(), tile=64).plan("denoise", picture, sigma=20, quality=quality)
    assert foretold.evaluations == counting.calls
    assert foretold.evaluations == foretold.windows[0][0] * (8 if quality == "best" else 1)


def test_nothing_to_do_is_foretold_as_nothing():
    picture = crop("chelsea", 0, 0, 100)
    foretold = cheap(Shrinking()).plan("inpaint", picture, mask=MASK[:100, 70:170])
    assert (foretold.windows, foretold.evaluations, foretold.transitions, foretold.seconds) == ((), 0, 0, 0)


@pytest.mark.parametrize("name", sorted(set(plugins.load().guidances) - {"daps", "dps", "tds"}))
def test_every_method_can_be_rehearsed(name):
    problem, prior = inpainting(64, 64, [(10, 20, 10, 20)]), Shrinking()
    method = plugins.load().guidance(name)()
    schedule = method.schedule(prior, problem, 3)
    found = rehearse(problem, prior, method, method.sampler(), schedule)
    assert len(found.levels) >= 1
    assert 2 < found.held < 20
    assert (found.gradients > 0) == (name in {"pigdm", "mmps"})


def test_what_the_run_holds_grows_with_the_picture_and_not_with_steps():
    problem, prior = inpainting(64, 64, [(10, 20, 10, 20)]), Shrinking()
    held = [
        rehearse(problem, prior, DDNM(), DDNM().sampler(), DDNM().schedule(prior, problem, steps)).held for steps in (2, 20)
    ]
    assert held[0] == pytest.approx(held[1], rel=0.01)


def chosen(bound, prior=None, size=(1200, 1300), method=None):
    prior, method = prior or Heavy(), method or PnP()
    problem = inpainting(*size, [(4, size[0] - 4, 4, size[1] - 4)])
    return fitted(problem, prior, method, method.sampler(), steps=2, largest=1024, device=CPU, bound=bound)


def test_windows_get_smaller_with_the_bound_and_never_larger_than_it():
    sides = []
    base = memory.used(CPU)
    for more in (3e9, 1.2e9, 0.6e9, 0.35e9):
        planned = chosen(int(base + more))
        side = planned.windows[0] or 1024
        at_once = min(planned.most, max(1, 2**17 // side**2))
        assert at_once * side**2 * 1000 < more
        sides.append(side)
    assert sides == sorted(sides, reverse=True)
    assert len(set(sides)) >= 3


def test_without_a_bound_what_fits_is_as_ever():
    problem = inpainting(600, 700, [(4, 596, 4, 696)])
    planned, before = chosen(None, size=(600, 700)), plan(problem, Heavy(), PnP(), steps=2, largest=1024)
    assert (planned.boxes, planned.windows, planned.most) == (before.boxes, before.windows, before.most)


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


def test_too_small_a_bound_says_what_the_least_is():
    with pytest.raises(OutOfMemoryError):
        chosen(10_000_000)  # The first rehearsal of a process makes it larger.
    with pytest.raises(
        OutOfMemoryError, match="too little for a picture of 1300x1200 pixels and the smallest window; allow"
    ) as caught:
        chosen(10_000_000)
    assert caught.value.exit_code == 4
    least = str(caught.value).rsplit("allow ")[1].removesuffix(" or more").replace(" ", "")
    planned = chosen(memory.parse(least))
    assert LEAST <= planned.windows[0] < 1024  # What the process itself holds has changed meanwhile, so more may fit.
    with pytest.raises(UsageError, match="'lots' is no size of memory"):
        cheap_with("lots")


def cheap_with(bound, prior=None, tile=None):
    return Restorer(prior or Shrinking(), placement=cheap().placement, max_memory=bound, tile=tile)


def test_the_tile_wins_over_the_bound_and_is_remembered():
    picture = crop("chelsea", 0, 0, 200)
    result = cheap_with("1MB", tile=100)("denoise", picture, sigma=20)
    assert result.record["tile"] == 100
    assert cheap()("denoise", picture, sigma=20).record["tile"] is None
    with pytest.raises(OutOfMemoryError):
        cheap_with("1MB")("denoise", picture, sigma=20)


def test_windows_made_small_by_a_bound_are_remembered_and_make_the_same_answer():
    picture = crop("chelsea", 0, 0, 300)
    bound = memory.used(CPU) + 60_000_000
    small = cheap_with(bound, Heavy())("denoise", picture, sigma=20)
    tile = small.record["tile"]
    assert tile in (64, 128, 256)
    again = cheap_with(None, Heavy(), tile=tile)("denoise", picture, sigma=20)
    torch.testing.assert_close(again.samples, small.samples, atol=1e-6, rtol=0)


def test_a_forecast_is_plain_data():
    foretold = cheap(Shrinking()).plan("denoise", crop("chelsea", 0, 0, 64), sigma=5)
    assert dataclasses.asdict(foretold)["windows"] == ((1, 64, 64),)
    assert foretold.peak > foretold.picture + foretold.window > 0
