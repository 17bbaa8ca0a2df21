"""Conditional priors, before and after they are told their condition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from restore.errors import OutOfMemoryError
from restore.priors.families.networked import NetworkPrior
from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.priors.prior import Prior, pad_to_multiple
from restore.priors.view import PriorView
from restore.priors.whereabouts import device_of
from restore.problem import Problem


class Conditional(PriorView):
    """A prior whose network takes a condition. `given` binds it; asked without, it is as if nothing was asked for.

    Args:
        prior: its network is called with x, a time and the keywords of `Condition`.
        conditioner: makes conditions.
        guidance: see `Prior`.
        whole: see `Prior`.
    """

    def __init__(
        self, prior: NetworkPrior, conditioner: Conditioner, *, guidance: str | None = None, whole: bool = False
    ) -> None:
        super().__init__(prior)
        self.conditioner, self.guidance, self.whole = conditioner, guidance, whole
        for name, module in conditioner.modules().items():
            self.add_module(name, module)

    def given(self, asked: Conditions, problem: Problem | None = None) -> Prior:
        with torch.no_grad():
            condition = self.conditioner.condition(asked, problem, device_of(self.prior))
        if condition.beside is not None:
            condition = replace(condition, beside=pad_to_multiple(condition.beside, self.multiple_of))  # As x is padded.
        inner: Any = self.prior
        bound = inner.twin()
        bound.network = Bound(inner.network, condition)
        return self.over(bound)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        inner: Any = self.prior
        prior = inner if isinstance(inner.network, Bound) else self.given(Conditions())
        answer: Tensor = prior(x, sigma)
        return answer


class Bound(nn.Module):
    """A network with its condition, called with x and a time alone."""

    def __init__(self, network: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.network, self.condition = network, condition

    def forward(self, x: Tensor, time: Tensor) -> Any:
        condition, (count, channels) = self.condition, x.shape[:2]
        if condition.beside is not None:
            if condition.beside.shape[-2:] != x.shape[-2:]:
                raise OutOfMemoryError(
                    "this prior takes the picture as a whole, which does not fit into memory; give a smaller one"
                )
            x = torch.cat([x, condition.beside.to(x).expand(count, -1, -1, -1)], dim=1)
        given = {name: _repeated(value, count) for name, value in condition.given.items()}
        if not condition.guides:
            return self.network(x, time, **given)
        assert condition.nothing is not None
        both = {name: torch.cat([_repeated(condition.nothing[name], count), value]) for name, value in given.items()}
        without, with_it = self.network(torch.cat([x, x]), torch.cat([time, time]), **both).chunk(2)
        guided = without[:, :channels] + condition.scale * (with_it[:, :channels] - without[:, :channels])
        # A learned variance is that of the condition.
        return torch.cat([guided, with_it[:, channels:]], dim=1) if with_it.shape[1] > channels else guided


def _repeated(value: Tensor, count: int) -> Tensor:
    return value.expand(count, *value.shape[1:])
