"""Conditions of enlarging networks: the small picture beside z, of the latents' own size or enlarged to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.errors import OperatorError, UsageError
from restore.operators.resample import Downsample
from restore.priors.latent.codec import Codec
from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.problem import Problem
from restore.wording import called


class Small(Conditioner):
    """The small picture y beside z. A network that knows the noise of y is told the nearest level of its chain.

    diffusers adds noise of a level that a person chooses; here the level is that of the measurement (`Problem.sigma_y`), and y
    is scaled as the chain scales pictures at that level.

    Args:
        codec: whose cells are the small picture's pixels.
        inner: makes the rest of the condition; None for none.
        chain: abar (T,) of the noise of small pictures; None for a network without noise levels.
    """

    def __init__(self, codec: Codec, inner: Conditioner | None = None, chain: Tensor | None = None) -> None:
        self.codec, self.inner, self.chain = codec, inner, chain

    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        if problem is None:
            raise UsageError("this prior enlarges pictures, and draws none of its own; see `restore super-resolution`")
        self.check(problem)
        if self.inner is None:
            asked.only()
        condition = Condition() if self.inner is None else self.inner.condition(asked, problem, device)
        y = self.beside(problem.y.to(device).expand(-1, self.codec.picture_channels, -1, -1), problem)
        if self.chain is None:
            return replace(condition, beside=y)
        levels = ((1 - self.chain) / self.chain).sqrt()
        level = int((levels - problem.sigma_y).abs().argmin())
        told = {"class_labels": torch.tensor([level], device=device)}
        nothing = None if condition.nothing is None else {**condition.nothing, **told}
        scaled = y * float(self.chain[level].sqrt())
        return replace(condition, given={**condition.given, **told}, nothing=nothing, beside=scaled)

    def check(self, problem: Problem) -> None:
        """Raises OperatorError for a problem that the network is not made for."""
        factor = self.codec.factor
        fits = tuple(problem.y.shape[-2:]) == self.codec.cells(*problem.shape[-2:])
        if not isinstance(problem.operator, Downsample) or not fits:
            raise OperatorError(
                f"this prior enlarges pictures {factor} times and does nothing else; give {called('scale', factor)}"
            )

    def beside(self, y: Tensor, problem: Problem) -> Tensor:
        """What is put beside z for the small picture y (1, C, h, w)."""
        return y

    def modules(self) -> Mapping[str, nn.Module]:
        return {} if self.inner is None else self.inner.modules()


class Enlarged(Small):
    """The small picture beside x, enlarged to its size by straight lines from corner to corner, as diffusers does it. Networks
    were trained for 4 times, and take any."""

    def check(self, problem: Problem) -> None:
        if not isinstance(problem.operator, Downsample):
            raise OperatorError(f"this prior enlarges pictures, and takes no {type(problem.operator).__name__} operator")

    def beside(self, y: Tensor, problem: Problem) -> Tensor:
        return F.interpolate(y, size=problem.shape[-2:], mode="bilinear", align_corners=True)
