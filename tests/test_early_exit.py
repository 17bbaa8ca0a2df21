"""Runs that end once the answer no longer changes."""

import json

import pytest
import torch
from photographs import PLACE, Shrinking, cheap, crop, scratches
from test_solve import inpainting

from restore import Restorer
from restore.cli import main
from restore.engine import reverse
from restore.errors import UsageError
from restore.guidance import DDNM, PnP, RePaint
from restore.priors import Prior
from restore.priors.views.early_exit import SEEN, Settling
from restore.sampling.noise import Noise

GREY = 1 / 127.5


class Nearing(Prior):
    """Answers one picture, and beside it what falls with the level: by `slope` grey levels a unit of sigma."""

    def __init__(self, slope=100.0):
        super().__init__()
        self.slope, self.asked = slope, []

    def denoise(self, x, sigma):
        self.asked.append(float(sigma[0]))
        return torch.full_like(x, 0.25) + self.slope * GREY * sigma[:, None, None, None]


def walked(prior, path, tolerance, method=None):
    problem = inpainting(64, 64, [(20, 40, 20, 40)])
    method = method or DDNM()
    view = Settling(prior, tolerance)
    return list(reverse(problem, view, method, method.sampler(), torch.tensor(path), Noise([0]), settled=view.settled)), problem


def test_the_step_after_two_alike_goes_to_zero_and_is_the_last():
    # The answers at these levels differ by 20, 10, 2, 1.
    path = [0.5, 0.3, 0.2, 0.18, 0.17, 0.1, 0.05, 0.0]
    prior = Nearing()
    answers, problem = walked(prior, path, 2.5 * GREY)
    assert prior.asked == pytest.approx([0.5, 0.3, 0.2, 0.18, 0.17])
    assert len(answers) == 5
    open_pixels = ~problem.operator.keep.expand_as(answers[-1])
    torch.testing.assert_close(answers[-1][open_pixels], torch.full_like(answers[-1][open_pixels], 0.25 + 17 * GREY))
    torch.testing.assert_close(answers[-1][~open_pixels], problem.y[~open_pixels], atol=1e-6, rtol=0)


def test_without_a_settled_answer_nothing_is_other_than_before():
    path = [0.5, 0.3, 0.2, 0.1, 0.05, 0.0]
    watched, problem = walked(Nearing(), path, 0.001 * GREY)
    plain = list(reverse(problem, Nearing(), DDNM(), DDNM().sampler(), torch.tensor(path), Noise([0])))
    assert len(watched) == len(plain)
    assert all(torch.equal(one, other) for one, other in zip(watched, plain, strict=True))


def test_above_the_level_where_pictures_are_seen_nothing_is_settled():
    prior = Nearing(slope=0.0)
    walked(prior, [80.0, 60.0, 40.0, 20.0, 5.0, 1.0, SEEN, 0.4, 0.2, 0.1, 0.0], GREY)
    assert prior.asked == pytest.approx([80.0, 60.0, 40.0, 20.0, 5.0, 1.0, SEEN, 0.4][: len(prior.asked)])
    assert prior.asked[-1] == SEEN


def test_a_climb_begins_anew():
    prior = Nearing(slope=100.0)
    walked(prior, [0.4, 0.2, 0.4, 0.2, 0.0], 0.5 * GREY, method=RePaint())
    assert prior.asked == pytest.approx([0.4, 0.4, 0.2])  # Alike at 0.4 before and after the climb, and still no end.


def test_only_wanted_pixels_count():
    wanted = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    wanted[..., :4] = True

    class Half(Prior):
        def denoise(self, x, sigma):
            answer = torch.zeros_like(x)
            answer[..., 4:] = sigma[0]
            return answer

    for given, said in ((wanted, True), (None, False)):
        view = Settling(Half(), GREY, given)
        for level in (0.4, 0.2):
            assert not view.settled(torch.tensor(level))
            view(torch.zeros(1, 3, 8, 8), level)
        assert view.settled(torch.tensor(0.1)) == said


def test_the_promise_is_kept_on_a_photograph_and_the_record_is_honest():
    class Listening(Shrinking):
        def __init__(self):
            super().__init__()
            self.answers = []

        def denoise(self, x, sigma):
            self.answers.append(super().denoise(x, sigma))
            return self.answers[-1]

    picture, mask = crop("chelsea", 0, 0), scratches("chelsea", 0, 0)
    found, full = Listening(), cheap()
    words = {"mask": mask, "guidance": "ddnm:eta=0", "steps": 24}
    events = list(Restorer(found, placement=PLACE).stream("inpaint", picture, early_exit=2.0, **words))
    result, whole = events[-1].result, full("inpaint", picture, **words)
    taken = len(found.answers)
    assert 3 < taken < 24
    assert (result.record["steps"], result.record["transitions"], result.record["early_exit"]) == (24, taken, 2.0)
    assert (whole.record["steps"], whole.record["transitions"], whole.record["early_exit"]) == (24, 24, None)
    assert [event.step for event in events] == [*range(1, taken + 1), taken]
    assert [event.steps for event in events] == [24] * taken + [taken]
    open_pixels = torch.from_numpy(mask).expand(3, -1, -1)
    shape = found.answers[0].shape[-2:]
    assert shape == mask.shape  # One box, the whole picture, so that its answers can be laid over the mask.
    changes = [
        float(((after - before)[0][open_pixels]).abs().max()) / GREY
        for before, after in zip(found.answers, found.answers[1:], strict=False)
    ]
    assert changes[taken - 3] <= 2.0 < changes[taken - 4]  # Those before the last step, which is made all the same.
    assert result.consistency == 0


def test_each_sample_counts_and_batches_and_boxes_are_counted():
    picture = crop("chelsea", 0, 0, 300)
    mask = torch.zeros(300, 300, dtype=torch.bool).numpy()
    mask[10:14, 10:14] = mask[280:284, 280:284] = True
    words = {"mask": mask, "guidance": "ddnm", "samples": 3, "steps": 20}
    events = list(cheap().stream("inpaint", picture, early_exit=200.0, **words))
    record = events[-1].result.record
    assert record["transitions"] == events[-1].step == events[-1].steps < 40
    steps = [event.step for event in events]
    assert steps == sorted(steps)
    assert all(event.step <= event.steps for event in events)


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("method", ["pnp", "pigdm"])
def test_blocks_of_the_network_windows_and_gradients_change_nothing(method, tile):
    prior = Shrinking()
    prior.multiple_of = 8
    picture, mask = crop("chelsea", 0, 0, 123), scratches("chelsea", 0, 0, 123)
    record = cheap(prior, tile=tile)("inpaint", picture, mask=mask, guidance=method, early_exit=8.0).record
    assert 3 <= record["transitions"] < record["steps"]


@pytest.mark.parametrize("value", [0, -1.0, 256])
def test_a_tolerance_is_a_change_in_grey_levels(value):
    with pytest.raises(UsageError, match="early_exit is a change in grey levels, above 0 and up to 255, got"):
        cheap()("denoise", crop("chelsea", 0, 0, 64), sigma=5, early_exit=value)


def test_on_the_command_line_and_again_from_the_record(tmp_path, monkeypatch, capsys):
    import cv2

    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", crop("chelsea", 0, 0)[..., ::-1])
    cv2.imwrite("m.png", scratches("chelsea", 0, 0).astype("uint8") * 255)
    words = ["inpaint", "a.png", "--mask", "m.png", "--early-exit", "4", "--record", "--device", "cpu", "-q"]
    assert main([*words, "-o", "b.png"]) == 0
    assert main(["rerun", "b.png", "-o", "c.png", "-q"]) == 0
    from restore.cli.save import load_record

    first, again = (load_record(tmp_path / name) for name in ("b.png", "c.png"))
    assert first["early_exit"] == again["early_exit"] == first["request"]["early_exit"] == 4.0
    assert first["transitions"] == again["transitions"] < first["steps"] == PnP.steps
    assert first["request"]["dtype"] == first["dtype"] == again["dtype"]
    assert (cv2.imread("b.png") == cv2.imread("c.png")).all()
    assert json.dumps(first["request"])
    assert main([*words[:4], "--early-exit", "0"]) == 2
