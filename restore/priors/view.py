"""Views: priors that evaluate another prior in a different way."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior


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

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        answer: Tensor = self.prior(x, sigma)
        return answer

    def effective_dtype(self, device: torch.device) -> torch.dtype:
        return self.prior.effective_dtype(device)
