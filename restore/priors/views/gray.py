"""A prior of gray pictures, from a prior of colour pictures."""

from __future__ import annotations

from torch import Tensor

from restore.errors import PriorError
from restore.priors.latent.codec import Codec, Pixels
from restore.priors.prior import Prior
from restore.priors.view import PriorView


class GrayView(PriorView):
    """Evaluates a colour prior on the gray picture repeated in three channels, and averages its channels.

    The noise is then equal in all channels. A prior trained without such noise denoises it poorly, so `restore train --gray`
    trains on a share of gray crops with gray noise.

    Raises: PriorError unless the prior has 3 channels.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        if prior.channels != 3:
            raise PriorError(f"a gray view needs a prior of 3 channels, got {prior.channels}")
        self.channels = 1

    @property
    def codec(self) -> Codec:
        return Pixels(1)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.prior(x.expand(-1, 3, -1, -1), sigma).mean(dim=1, keepdim=True)
