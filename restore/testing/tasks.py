"""What every task must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from restore.api.restorer import Restorer
from restore.errors import RestoreError
from restore.images import as_picture
from restore.images.picture import Picture
from restore.options.checked import describe
from restore.priors.prior import Prior
from restore.problem import Problem, check_operator
from restore.task import Task
from restore.testing.asserting import asserting
from restore.testing.priors import White


@asserting
def check_task(task: Task, pictures: Sequence[Any] | None = None, *, prior: Prior | None = None, **options: Any) -> None:
    """Checks a task: its options, its problem, and a short run with a prior that costs nothing, on each picture.

    A problem's y has the shape that its operator makes of its `shape`; pictures and options stay as they are; equal calls give
    equal results, which are finite and in range. Pictures that the task refuses with an error of the toolkit count as
    refused; at least one must be taken.

    Args:
        pictures: of any kind that `Restorer.stream` takes; by default those of `sample_pictures`.
        prior: for tasks that need more of it than `White`, the default, has, such as a network.
        options: the task's own.
    """
    assert isinstance(task, Task), f"{task!r} is no Task"
    for word in ("name", "help", "Options"):
        assert hasattr(task, word), f"the task has no `{word}`"
    describe(task.Options)
    restorer = Restorer(prior or White(3))
    own = restorer.request(task, options).own
    refused: list[str] = []
    given = list(sample_pictures().values()) if pictures is None else list(pictures)
    for picture in given:
        try:
            _check_one(task, as_picture(picture), own, options, restorer)
        except RestoreError as error:
            refused.append(str(error))
    assert len(refused) < len(given), f"the task refuses every picture: {'; '.join(sorted(set(refused)))}"


def sample_pictures(side: int = 24) -> dict[str, np.ndarray]:
    """Smooth pictures with an edge: colour, gray, transparent and of 16 bits, and one that is not square."""
    row, column = np.mgrid[:side, : side + 8]
    planes = [128 + 60 * np.sin(column / 5), 128 + 60 * np.cos(row / 4), np.where(column > row, 200.0, 90.0)]
    colour = np.stack(planes, axis=2).round().astype(np.uint8)
    alpha = np.full((*colour.shape[:2], 1), 255, np.uint8)
    alpha[: side // 3] = 100
    return {
        "colour": colour[:, :side],
        "not square": colour,
        "gray": colour[:, :side, 2],
        "transparent": np.concatenate([colour, alpha], axis=2)[:, :side],
        "16 bits": colour[:, :side].astype(np.uint16) * 257,
    }


def _check_one(task: Task, picture: Picture, own: Any, options: Mapping[str, Any], restorer: Restorer) -> None:
    before = picture.pixels.clone()
    problem = task.problem(picture, own)
    assert isinstance(problem, Problem), f"problem returns a {type(problem).__name__}, not a Problem"
    check_operator(problem)
    assert problem.shape[0] == 1, f"the problem's shape is {problem.shape}; one picture has B = 1"
    assert (picture.pixels == before).all(), "problem changed the picture"
    first, second = (restorer(task, picture, steps=2, **options) for _ in range(2))
    found = task.found(problem, own, first)
    assert isinstance(found, Mapping), f"found returns a {type(found).__name__}, not names and values"
    finished = first.picture
    assert isinstance(finished, Picture), f"finish returns a {type(finished).__name__}, not a Picture"
    assert second.picture is not None
    assert (finished.pixels == second.picture.pixels).all(), "two equal calls give two results"
    assert bool(finished.pixels.isfinite().all()), "the result holds NaN or infinite values"
    assert (picture.pixels == before).all(), "finish changed the picture"
