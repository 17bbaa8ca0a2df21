"""Problems of several pictures in one call: each picture as if it was solved alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from photographs import Blurring, crop

from restore import OperatorError, Problem, solve
from restore.operators import Compose, ComposeLinear, Downsample, Identity, Mask, Operator
from restore.operators.observed import Observed
from restore.solving.batch import parts_of
from restore.solving.solver import last

SHAPE = (3, 3, 24, 20)


def pictures() -> torch.Tensor:
    whole = torch.from_numpy(crop("chelsea", 100, 140, 72)).permute(2, 0, 1).float() / 127.5 - 1
    return torch.stack([whole[:, 24 * row : 24 * row + 24, :20] for row in range(3)])


def keep() -> torch.Tensor:
    """Another hole in each picture, of another size, so that the windows differ, too."""
    known = torch.ones(3, 1, 24, 20, dtype=torch.bool)
    known[0, :, 4:8] = known[1, :, 10:12, 3:9] = known[2, :, 20:] = False
    return known


def problems() -> dict[str, Problem]:
    x = pictures()
    small = Downsample.between((24, 20), (12, 10), "bicubic")
    masked = ComposeLinear(small, Mask(keep()[..., ::2, ::2]))
    return {
        "a mask for each": Problem(x * keep(), Mask(keep()), 0.0, SHAPE),
        "a mask for all": Problem(x * keep()[:1], Mask(keep()[:1]), 0.05, SHAPE),
        "noise": Problem(x, Identity(), 0.1, SHAPE),
        "a composition": Problem(masked(x), masked, 0.05, SHAPE),
        "with a start": Problem(small(x), small, 0.05, SHAPE, start=x.flip(-1)),
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"samples": 2, "guidance": "mmps"}, {"name": "many", "guidance": "ddnm"}],
    ids=["estimate", "samples", "name"],
)
@pytest.mark.parametrize("kind", problems())
def test_each_is_as_if_alone(kind: str, options: dict[str, Any]) -> None:
    problem = problems()[kind]
    if "ddnm" in options.values() and kind == "a composition":
        options = {**options, "guidance": "dps"}  # DDNM with noise needs singular values.
    events = list(solve(problem, Blurring(), steps=2, **options))
    result = events[-1].result
    assert result is not None
    assert result.x.shape == SHAPE
    assert result.samples.shape == (3, options.get("samples", 1), *SHAPE[1:])
    assert [event.step for event in events] == [*range(1, len(events)), len(events) - 1]
    assert all(event.steps == len(events) - 1 for event in events)
    before = f"{options['name']}/" if "name" in options else ""
    for index, part in enumerate(parts_of(problem)):
        alone = last(solve(part, Blurring(), steps=2, **{**options, "name": f"{before}{index}"}))
        assert torch.equal(result.x[index : index + 1], alone.x)
        assert torch.equal(result.samples[index], alone.samples)
        assert torch.equal(result.mean[index : index + 1], alone.mean)
        if alone.std is not None:
            assert result.std is not None
            assert torch.equal(result.std[index : index + 1], alone.std)


def test_what_is_printed() -> None:
    result = last(solve(problems()["noise"], Blurring(), steps=1, samples=2))
    assert repr(result).startswith("<Result: 3 pictures, 20x24, ")
    assert "2 samples" in repr(result)


class Negative(Operator):
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return -x

    pinv = __call__


def test_operators_are_taken_apart() -> None:
    both = Compose(Negative(), Mask(keep()))
    part = both.of_picture(2)
    assert isinstance(part, Compose)
    assert torch.equal(part(pictures()[2:]), both(pictures())[2:])


def test_a_constraint_is_of_one_picture() -> None:
    x = pictures()
    observed = Observed(x[:1], keep()[:1])
    with pytest.raises(OperatorError, match="a constraint is of one picture, not of 3"):
        solve(replace(problems()["noise"], constraint=observed), Blurring())
