"""Views: another way to ask a prior."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.priors.prior import Prior


class PriorView(Prior):
    """A prior that asks another: about rotated pictures, in gray, in windows.

    A view has the channels, sizes and noise levels of the prior it asks, unless it says otherwise after `super().__init__`. It
    overrides `forward` where the prior below is to check and pad what it is given, or `denoise` where that is done already.

    Args:
        prior: the prior to ask.
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
