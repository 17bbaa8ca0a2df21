"""Problems of several pictures: each part on its own, and the results of all as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from restore.errors import OperatorError
from restore.problem import Problem
from restore.results.result import Result


def parts_of(problem: Problem) -> list[Problem]:
    """The problems of the B pictures, each of B = 1.

    Raises: OperatorError where the measurement is not of as many, or a constraint says that it is of one picture.
    """
    count, start = problem.shape[0], problem.start
    if problem.constraint is not None and count > 1:
        raise OperatorError(f"a constraint is of one picture, not of {count}; solve them one by one")
    if len(problem.y) != count:
        raise OperatorError(f"y is of {len(problem.y)} pictures, the problem of {count}")
    return [
        replace(
            problem,
            y=problem.y[index : index + 1],
            operator=problem.operator.of_picture(index),
            shape=(1, *problem.shape[1:]),
            start=None if start is None else start[index : index + 1] if len(start) > 1 else start,
        )
        for index in range(count)
    ]


def joined(results: Sequence[Result]) -> Result:
    """The result of several pictures, without a task. Samples are (B, N, C, H, W), consistency the root mean square."""
    deviations = [result.std for result in results if result.std is not None]
    levels = torch.tensor([result.consistency for result in results], dtype=torch.float64)
    return Result(
        x=torch.cat([result.x for result in results]),
        samples=torch.stack([result.samples for result in results]),
        mean=torch.cat([result.mean for result in results]),
        std=torch.cat(deviations) if deviations else None,
        consistency=float(levels.square().mean().sqrt()),
        answer=results[0].answer,
        fidelity=results[0].fidelity,
    )
