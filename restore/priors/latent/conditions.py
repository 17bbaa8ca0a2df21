"""What a network is conditioned on: as a person asks for it, and as the network takes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

import torch
from torch import Tensor

from restore.errors import UsageError
from restore.problem import Problem
from restore.wording import called


@dataclass(frozen=True)
class Conditions:
    """What a person asks of a conditional prior; None where nothing was said.

    Attributes:
        prompt, negative_prompt: what the picture shows, and what it does not.
        guidance_scale: w of classifier-free guidance; see `Condition`.
        label: a class, by number or name.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    guidance_scale: float | None = None
    label: str | None = None

    @property
    def say_something(self) -> bool:
        """Whether a person asked for anything."""
        return any(getattr(self, item.name) is not None for item in fields(self))

    def only(self, *taken: str) -> None:
        """Raises UsageError if anything else was asked for than the prior takes."""
        for item in fields(self):
            if getattr(self, item.name) is not None and item.name not in taken:
                has = " and ".join(called(name) for name in taken)
                advice = f"it takes {has}" if has else "leave it out"
                raise UsageError(f"{called(item.name)}: this prior has no use for it; {advice}")


Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Condition:
    """What a network is given beside x and its time.

    Classifier-free guidance (Ho & Salimans 2022, 2207.12598, eq. 6, in the form with w = 1 for none) extrapolates the network's
    output F: F(x, nothing) + w (F(x, condition) - F(x, nothing)).

    Attributes:
        given: keywords of the network; tensors of batch size 1.
        nothing: the same for the unconditional output; None where there is none.
        scale: w.
        beside: (1, C', h, w), channels that the network takes beside those of x; None for none.
    """

    given: Inputs = field(default_factory=lambda: MappingProxyType({}))
    nothing: Inputs | None = None
    scale: float = 1.0
    beside: Tensor | None = None

    @property
    def guides(self) -> bool:
        """Whether the network is asked twice."""
        return self.nothing is not None and self.scale != 1.0


class Conditioner(ABC):
    """Makes the condition of a network."""

    @abstractmethod
    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        """The condition for what is asked and, for networks that take a picture, the problem in pixels.

        Args:
            problem: None where there is none, as for samples of the prior alone.

        Raises: UsageError for what the prior does not take; OperatorError for a problem that it is not made for.
        """

    def modules(self) -> Mapping[str, torch.nn.Module]:
        """Its networks by name, which move with the prior and count for its hash."""
        return {}
