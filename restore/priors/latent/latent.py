"""Priors on latents."""

from __future__ import annotations

from torch import nn

from restore.priors.latent.codec import Codec
from restore.priors.prior import Prior
from restore.priors.view import PriorView


class Latent(PriorView):
    """A prior on latents with the codec that leads to them: D(z, sigma) for z + sigma times white noise.

    Args:
        prior: of latents.
        codec: of as many channels.
    """

    def __init__(self, prior: Prior, codec: Codec) -> None:
        super().__init__(prior)
        self._codec = codec
        self.coding = nn.ModuleList(codec.modules())

    @property
    def codec(self) -> Codec:
        return self._codec

    def in_gray(self) -> Prior:
        twin = self.over(self.prior)
        twin._codec = self._codec.gray()
        return twin
