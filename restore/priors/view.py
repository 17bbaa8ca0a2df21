"""Views: priors that evaluate another prior in a different way."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import Self

from restore.priors.latent.codec import Codec
from restore.priors.latent.conditions import Conditions
from restore.priors.prior import Prior
from restore.problem import Problem


class PriorView(Prior):
    """A prior that evaluates another one, for example on rotated or gray pictures or in windows.

    A view copies the attributes of the wrapped prior; a subclass may change them after `super().__init__`. It overrides
    `forward` to leave checking and padding to the wrapped prior, or `denoise` to receive pictures that are checked and padded.

    Args:
        prior: the prior to wrap.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        for name in Prior.__annotations__:
            setattr(self, name, getattr(prior, name))

    @property
    def codec(self) -> Codec:
        return self.prior.codec

    def over(self, prior: Prior) -> Self:
        """The same view of another prior with the same attributes."""
        twin = self.twin()
        twin.prior = prior
        return twin

    def given(self, asked: Conditions, problem: Problem | None = None) -> Prior:
        return self.over(self.prior.given(asked, problem))

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        answer: Tensor = self.prior(x, sigma)
        return answer

    def effective_dtype(self, device: torch.device) -> torch.dtype:
        return self.prior.effective_dtype(device)
