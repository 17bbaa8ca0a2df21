"""Inpainting of wide holes with patches of the picture: plug-and-play for what is thin, exemplars for what is wide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from restore.exemplars import Holes, Settings, widest
from restore.guidance.guidance import Guidance, Ranges
from restore.guidance.pnp import PnP
from restore.operators.mask import Mask
from restore.priors.prior import Prior
from restore.problem import Problem
from restore.sampling.noise import Noise
from restore.sampling.samplers import Sampler
from restore.wording import called


@dataclass(frozen=True)
class Exemplars(PnP):
    """x_i <- the mean over patches p around i of the known patch most like p, weighted by exp(-d / 2 q) with its distance d and
    a quantile q of distances, from coarse to fine: so wide holes are filled (Wexler et al. 2007). Then thin holes and the rims
    of wide ones are restored by `PnP`, to which the rest is known.

    A prior of small context continues edges over some pixels, and smooths what lies farther in: the mean of all it takes for
    possible. What a wide hole holds is seldom in such a prior, and often in the picture. Steps over all of the hole would
    smooth its texture again; at the rim they join patches and picture.

    Attributes:
        thin: whether there are thin holes, too, which take as many steps as alone.
        rim: width in pixels of what is restored anew.
        rim_steps: transitions where there are no thin holes, unless the best are asked for.
        settings: of the fill.
    """

    needs: ClassVar[type] = Mask
    from_picture: ClassVar[bool] = True
    ranges: ClassVar[Ranges] = {**PnP.ranges, "rim": (0, math.inf), "rim_steps": (1, 100)}
    sigma_start: float = 0.35
    relaxation: float = 1.8
    thin: bool = False
    rim: float = 4.0
    rim_steps: int = 10
    settings: Settings = field(default_factory=Settings)

    def preset(self, quality: Literal["fast", "balanced", "best"]) -> tuple[Guidance, int]:
        steps = super().preset(quality)[1]
        return self, steps if self.thin or quality == "best" else min(steps, self.rim_steps)

    def sampling(self, problem: Problem) -> Guidance:
        return ExemplarSamples(**{item.name: getattr(self, item.name) for item in fields(self)})

    def announce(self, problem: Problem[Any]) -> str:
        if not isinstance(problem.operator, Holes):
            return ""
        width, flag = widest(~problem.operator.keep[0, 0]), called("fill", "smooth")
        return f"holes of up to {width:.0f} pixels are filled with patches of the picture ({flag} takes none)"

    def begin(self, problem: Problem[Any], seeds: Sequence[int]) -> Tensor:
        operator = problem.operator
        if not isinstance(operator, Holes):
            return super().begin(problem, seeds)
        return operator.filled(problem.y, 0, self.settings)

    def cost_to_begin(self, problem: Problem[Any]) -> tuple[float, int] | None:
        if not isinstance(problem.operator, Holes):
            return None
        cost = problem.operator.cost(self.settings)
        return cost.seconds, cost.bytes

    def step(
        self,
        problem: Problem[Any],
        prior: Prior,
        sampler: Sampler,
        x: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        noise: Noise,
    ) -> Tensor:
        if isinstance(problem.operator, Holes) and problem.start is not None:
            problem = replace(problem, y=problem.start.expand(problem.shape), operator=problem.operator.without_wide(self.rim))
        return super().step(problem, prior, sampler, x, sigma, sigma_next, noise)


@dataclass(frozen=True)
class ExemplarSamples(Exemplars):
    """Fills that differ: a mean of them would be none.

    Attributes:
        jitter: see `Settings`.
    """

    answer: ClassVar[Literal["sample", "estimate"]] = "sample"
    averages: ClassVar[bool] = False
    begins_each: ClassVar[bool] = True
    jitter: float = 1.0

    def sampling(self, problem: Problem) -> Guidance:
        return self

    def begin(self, problem: Problem[Any], seeds: Sequence[int]) -> Tensor:
        operator, settings = problem.operator, replace(self.settings, jitter=self.jitter)
        if not isinstance(operator, Holes):
            return super().begin(problem, seeds)
        # The measurement may be of several pictures, which are the same.
        return torch.cat([operator.filled(problem.y[:1], seed, settings) for seed in seeds])
