"""A prior over gray pictures, from one over colour pictures."""

from __future__ import annotations

from torch import Tensor

from restore.errors import PriorError
from restore.priors.prior import Prior


class GrayView(Prior):
    """Shows a colour prior the gray picture in all three channels and takes the mean of its answer.

    The noise is then the same in all channels, which a prior that never saw gray noise would misread; priors trained by
    this project see gray crops with gray noise (restore/training/objectives.py).
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        if prior.channels != 3:
            raise PriorError(f"a gray view needs a prior of 3 channels, got {prior.channels}")
        self.prior = prior
        self.channels, self.multiple_of, self.context = 1, prior.multiple_of, prior.context
        self.sigma_min, self.sigma_max, self.levels = prior.sigma_min, prior.sigma_max, prior.levels
        self.sigma_start = prior.sigma_start

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.prior(x.expand(-1, 3, -1, -1), sigma).mean(dim=1, keepdim=True)
