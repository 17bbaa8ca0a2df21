"""A prior over gray pictures, from one over colour pictures."""

from __future__ import annotations

from torch import Tensor

from restore.errors import PriorError
from restore.priors.prior import Prior
from restore.priors.view import PriorView


class GrayView(PriorView):
    """Shows a colour prior the gray picture in all three channels and takes the mean of its answer.

    The noise is then the same in all channels, which a prior that never saw gray noise misreads. `restore train` shows a
    share of gray crops with gray noise for that reason.

    Raises: PriorError unless the prior has 3 channels.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        if prior.channels != 3:
            raise PriorError(f"a gray view needs a prior of 3 channels, got {prior.channels}")
        self.channels = 1

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.prior(x.expand(-1, 3, -1, -1), sigma).mean(dim=1, keepdim=True)
