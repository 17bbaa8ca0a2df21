"""Which runs make an answer: a point estimate, posterior samples, or a picture between the two."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from restore.errors import OperatorError, UsageError
from restore.guidance import Denoising, DenoisingSamples, Guidance, PnP
from restore.operators import Identity, Linear
from restore.plugins import manager as plugins
from restore.problem import Problem

QUALITIES = ("fast", "balanced", "best")


@dataclass(frozen=True)
class Recipe:
    """answer = fidelity * faithful + (1 - fidelity) * draw.

    `draw` is the first posterior sample; `faithful` the mean of the samples, or a point estimate where there is one sample
    only. Between a posterior mean and a posterior sample the mean squared error is (1 + (1 - fidelity)^2) times the least
    possible, and the straight line is how closeness is traded for realism (Freirich et al. 2021, 2107.02555).

    Attributes:
        estimator: the method of the point estimate; None where none is needed.
        sampler: the method of the samples; None where none is needed.
        samples: how many are drawn (0 without a sampler).
        fidelity: in [0, 1].
    """

    estimator: Guidance | None
    sampler: Guidance | None
    samples: int
    fidelity: float

    @property
    def method(self) -> Guidance:
        """The method that the answer is named after."""
        method = self.sampler or self.estimator
        assert method is not None
        return method

    @property
    def kind(self) -> str:
        """What the answer is: "estimate", "sample", "mean" (of samples), or "blend" of a sample and one of the others."""
        if self.fidelity == 0:
            return "sample"
        if self.fidelity < 1:
            return "blend"
        return "mean" if self.estimator is None else "estimate"

    def mix(self, faithful: Tensor, draw: Tensor) -> Tensor:
        """The answer from its two ends."""
        if self.fidelity in (0, 1):
            return faithful if self.fidelity else draw
        return self.fidelity * faithful + (1 - self.fidelity) * draw


def recipe(
    problem: Problem,
    *,
    given: Guidance | None = None,
    tasks_own: Guidance | None = None,
    samples: int = 1,
    answer: str | None = None,
    fidelity: float | None = None,
) -> Recipe:
    """The runs a person's words ask for.

    Args:
        given: the method named, if one was.
        tasks_own: the task's default method, if it has one.
        samples: posterior samples wanted.
        answer: "sample" or "mean": words for fidelity 0 and 1.
        fidelity: in [0, 1]; by default 1, but 0 for one sample of a method that draws samples, be it named or the task's own.

    Raises: UsageError for words that contradict each other; OperatorError where the operator has no default method.
    """
    if samples < 1 or answer not in {None, "sample", "mean"}:
        raise UsageError(f"samples must be at least 1 and answer sample or mean, got {samples} and {answer!r}")
    if fidelity is not None and not 0 <= fidelity <= 1:
        raise UsageError(f"fidelity goes from 0 (a posterior sample) to 1 (the closest estimate), got {fidelity:g}")
    if fidelity is not None and answer is not None:
        raise UsageError("answer and fidelity say the same thing; give one of them (mean is fidelity 1, sample fidelity 0)")
    estimates = given is not None and given.answer == "estimate"
    if estimates and (samples > 1 or answer == "sample" or (fidelity is not None and fidelity < 1)):
        raise UsageError(
            f"{type(given).__name__} is a point estimate and draws no samples; leave the method out, or name one that samples"
        )
    if answer is not None:
        fidelity = float(answer == "mean")
        if samples == 1 and answer == "mean" and given is not None and not estimates:
            raise UsageError("the mean of one sample is that sample; ask for more samples")
    elif fidelity is None:
        chosen = given or tasks_own
        fidelity = 0.0 if samples == 1 and chosen is not None and chosen.answer == "sample" else 1.0
    if samples == 1 and fidelity == 1 and given is not None and not estimates:
        raise UsageError(f"fidelity 1 of one sample leaves nothing for {type(given).__name__} to do; ask for more samples")
    draws = samples > 1 or fidelity < 1
    estimator = sampler = None
    if samples == 1 and fidelity > 0:
        estimator = given if estimates else _estimator(problem, tasks_own)
    if draws:
        sampler = given if given is not None and not estimates else _sampler(problem, tasks_own)
    return Recipe(estimator, sampler, samples if draws else 0, fidelity)


def _estimator(problem: Problem, tasks_own: Guidance | None) -> Guidance:
    if tasks_own is not None:
        if tasks_own.answer == "estimate":
            return tasks_own
        raise UsageError("this task draws samples and has no point estimate; ask for more samples, or fidelity 0")
    if isinstance(problem.operator, Identity):
        return Denoising()
    if isinstance(problem.operator, Linear):
        return PnP()
    raise _no_default(problem)


def _sampler(problem: Problem, tasks_own: Guidance | None) -> Guidance:
    if tasks_own is not None and tasks_own.answer == "sample":
        return tasks_own
    if isinstance(problem.operator, Identity):
        return DenoisingSamples()
    if isinstance(problem.operator, Linear):
        # docs/photographs.md and docs/coverage.md: closest to the truth of all that sample, and as sure of itself as the next.
        sampler: Guidance = plugins.load().guidance("mmps")()
        return sampler
    raise _no_default(problem)


def _no_default(problem: Problem) -> OperatorError:
    return OperatorError(f"no default method for a {type(problem.operator).__name__} operator; name one with --guidance")
