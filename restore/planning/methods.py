"""The choice of guidance methods: for a point estimate, for posterior samples, or for both and a blend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, cast

from torch import Tensor

from restore.errors import OperatorError, UsageError
from restore.guidance import DDNM, BlendedLatents, DenoisingSamples, Guidance, LatentDiffPIR, LatentDPS
from restore.guidance.mmps import ShortMMPS
from restore.operators import Downsample, Identity, Linear, Mask
from restore.options.run_options import RunOptions
from restore.options.spec import parse
from restore.planning.defaults import default_estimate
from restore.plugins import manager
from restore.priors.latent.decoded import Decoded
from restore.problem import Problem
from restore.wording import called

Kind = Literal["estimate", "sample", "mean", "blend"]


class Draw(NamedTuple):
    """A method, and the number of pictures that it makes."""

    guidance: Guidance
    pictures: int


def choose_methods(problem: Problem, options: RunOptions, own: Guidance | None = None) -> tuple[list[Draw], float]:
    """The methods whose pictures make the result, samples first, and the fidelity of the result.

    The default is one point estimate, of fidelity 1, or for several samples their mean. If the requested method, or else the
    task's own, draws samples, the fidelity of one sample is 0 by default, and so is that of several which have no mean.

    Args:
        options: `guidance`, `samples` and `fidelity` are used.
        own: the task's default method; where it is an estimate, samples are drawn by its `sampling`.

    Raises: UsageError for options that contradict each other; OperatorError where the operator has no default method.
    """
    samples, fidelity, given = options.samples, options.fidelity, _given(options.guidance)
    estimates = given is not None and given.answer == "estimate"
    if estimates and (samples > 1 or (fidelity is not None and fidelity < 1)):
        raise UsageError(
            f"{type(given).__name__} is a point estimate and draws no samples; leave the method out, or name one that samples"
        )
    if fidelity is None:
        chosen = given or own
        if samples == 1:
            fidelity = 0.0 if chosen is not None and chosen.answer == "sample" else 1.0
        else:
            sampling = given if given is not None and not estimates else _default_sampling(problem, own)
            fidelity = 1.0 if sampling.averages else 0.0
    if samples == 1 and fidelity == 1 and given is not None and not estimates:
        raise UsageError(f"fidelity 1 of one sample leaves nothing for {type(given).__name__} to do; ask for more samples")
    draws = []
    if samples > 1 or fidelity < 1:
        draws.append(Draw(given if given is not None and not estimates else _default_sampling(problem, own), samples))
    if samples == 1 and fidelity > 0:
        draws.append(Draw(given if given is not None and estimates else _default_estimate(problem, own), 1))
    return draws, fidelity


def suited(name: str | None, problem: Problem, own: Guidance | None) -> Guidance | None:
    """The default method: that of the prior, else the task's own if it can use the operator, else one for decoded latents.

    Args:
        name: the method that the prior is made for (`Prior.guidance`).
        problem: in the prior's own space.
        own: the task's default method.

    Returns: None for the toolkit's choice by operator. Where the task's own method has a `strength`, so has another.
    """
    if name is not None:
        made_for: Guidance = parse("guidance", name, manager.load().guidance)
        return _as_strong(made_for, own)
    if own is not None and own.uses(problem.operator):
        return own
    if isinstance(problem.operator, Decoded):
        return _as_strong(for_latents(problem.operator), own)
    return own


def _as_strong(method: Guidance, own: Guidance | None) -> Guidance:
    """The method with the strength of another one, if both have one."""
    strength = getattr(own, "strength", None)
    if strength is None or not hasattr(method, "strength"):
        return method
    as_strong: Guidance = replace(cast(Any, method), strength=strength)
    return as_strong


def for_latents(operator: Decoded) -> Guidance:
    """The default method for latents: known cells are kept for a mask, pixels are projected for other linear operators, and
    for the rest the residual's gradient is taken through the decoder."""
    if isinstance(operator.inside, Mask):
        return BlendedLatents()
    return LatentDiffPIR() if isinstance(operator.inside, Linear) else LatentDPS()


def blend(pictures: Sequence[Tensor], fidelity: float) -> Tensor:
    """The result (1, C, H, W) = fidelity * faithful + (1 - fidelity) * draw.

    `draw` is the first posterior sample, `faithful` the point estimate or the mean of the samples. Between a posterior mean and
    a posterior sample the squared error is (1 + (1 - fidelity)^2) times the least possible. Linear interpolation trades error
    for realism (Freirich et al. 2021, 2107.02555).

    Args:
        pictures: of each method, (N, C, H, W), in the order of `choose_methods`.
        fidelity: in [0, 1].
    """
    if fidelity == 0:
        return pictures[0][:1]
    faithful = mean(pictures[-1])
    return faithful if fidelity == 1 else fidelity * faithful + (1 - fidelity) * pictures[0][:1]


def mean(samples: Tensor) -> Tensor:
    """The mean (1, C, H, W) of samples; one sample is returned without a copy."""
    return samples if len(samples) == 1 else samples.mean(dim=0, keepdim=True)


def kind_of(methods: Sequence[Guidance], fidelity: float) -> Kind:
    """The kind of the result: point estimate, posterior sample, mean of samples, or blend of a sample and one of the others."""
    if fidelity == 0:
        return "sample"
    if fidelity < 1:
        return "blend"
    return "estimate" if methods[-1].answer == "estimate" else "mean"


def _given(guidance: str | Guidance | None) -> Guidance | None:
    if isinstance(guidance, str):
        method: Guidance = parse("guidance", guidance, manager.load().guidance)
        return method
    if guidance is None or isinstance(guidance, Guidance):
        return guidance
    raise UsageError(f"guidance is a method or its name, got {guidance!r}")


def _default_estimate(problem: Problem, own: Guidance | None) -> Guidance:
    if own is not None:
        if own.answer == "estimate":
            return own
        raise UsageError("this task draws samples and has no point estimate; ask for more samples, or fidelity 0")
    found = default_estimate(problem)
    if found is None:
        raise _no_default(problem)
    return found


def _default_sampling(problem: Problem, own: Guidance | None) -> Guidance:
    if own is not None and own.answer == "sample":
        return own
    estimate = own or default_estimate(problem)
    beside = estimate.sampling(problem) if estimate is not None else None
    if beside is not None:
        return beside
    if problem.constraint is not None and problem.sigma_y == 0:
        return DDNM()  # It projects estimates on what y may be.
    if isinstance(problem.operator, Identity) and problem.constraint is None:
        return DenoisingSamples()
    if isinstance(problem.operator, Downsample) and problem.sigma_y == 0:
        return ShortMMPS()
    if isinstance(problem.operator, Linear):
        # The lowest error of all sampling methods on photographs, and as well calibrated as the next best (docs/reports).
        sampling: Guidance = manager.load().guidance("mmps")()
        return sampling
    raise _no_default(problem)


def _no_default(problem: Problem) -> OperatorError:
    name = type(problem.operator).__name__
    return OperatorError(f"no default method for a {name} operator; name one: {called('guidance', 'dps')}")
