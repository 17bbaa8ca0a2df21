"""Operators of decoded latents: A(G(z))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from restore.operators.operator import Operator

if TYPE_CHECKING:
    from restore.priors.latent.codec import Codec


class Decoded(Operator):
    """y = A(G(z)): what is measured of a decoded picture, as an operator on latents. It is not linear.

    `pinv(y)` is E(A+ y). A of it equals y as far as the codec returns what it encoded.

    Args:
        inside: A, an operator on pictures.
        codec: E and G.
        size: (H, W) of the pictures.
    """

    def __init__(self, inside: Operator, codec: Codec, size: tuple[int, int]) -> None:
        self.inside, self.codec, self.size = inside, codec, size
        self._estimated: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return self.inside(self.decode(x))

    def decode(self, z: Tensor) -> Tensor:
        """G(z), (B, C, H, W)."""
        return self.codec.decode(z, self.size)

    def encode(self, x: Tensor) -> Tensor:
        """E(x), (B, channels, h, w)."""
        return self.codec.encode(x)

    def pinv(self, y: Tensor) -> Tensor:
        return self.encode(self.inside.pinv(y))

    def initial_estimate(self, y: Tensor) -> Tensor:
        # Kept for the last y: methods ask in every step, and encoding takes as long as a step.
        if self._estimated is None or self._estimated[0] is not y:
            self._estimated = y, self.encode(self.inside.initial_estimate(y))
        return self._estimated[1]

    def to(self, device: object) -> Operator:
        return Decoded(self.inside.to(device), self.codec, self.size)  # type: ignore[arg-type]

    def resized(self, size: tuple[int, int]) -> Operator | None:
        """The same for latents of another size, with a codec that only has the same shapes."""
        pixels = size[0] * self.codec.factor, size[1] * self.codec.factor
        inside = self.inside.resized(pixels)
        return None if inside is None else Decoded(inside, self.codec.stand_in(), pixels)
