"""A prior in closed form, which costs nothing."""

from __future__ import annotations

from torch import Tensor

from restore.priors.prior import Prior


class White(Prior):
    """The best denoiser of pictures whose pixels are independent and normal, with this mean and deviation: for tests.

    D(x, sigma) = mean + deviation^2 / (deviation^2 + sigma^2) (x - mean).
    """

    def __init__(self, channels: int = 3, *, mean: float = 0.0, deviation: float = 0.5) -> None:
        super().__init__()
        self.channels, self.mean, self.deviation = channels, mean, deviation

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        variance = self.deviation**2
        return self.mean + variance / (variance + sigma[:, None, None, None] ** 2) * (x - self.mean)
