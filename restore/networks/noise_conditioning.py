"""Noise conditioning: any network under any family, whichever noise variable each of them uses.

The attribute `conditioning` of a network names its second argument, of shape (B,):

- "c_noise": log(sigma) / 4, as in EDM (Karras et al. 2022, table 1); -1.6 to 1.1 for sigma from 0.002 to 80.
- "timestep": 0 to 999, as in DDPM; fractions are allowed.
- "sigma": the noise level itself; such a network returns the score.

Keywords of a condition, such as `class_labels`, are passed on.
"""

from __future__ import annotations

from torch import Tensor, nn

# timestep = RATE (c_noise + SHIFT) maps sigma from 0.002 to 80 into 0 to 1000.
RATE, SHIFT = 370.0, 1.6


class AffineConditioning(nn.Module):
    """F(x, scale * noise + shift) for a network F(x, noise)."""

    def __init__(self, network: nn.Module, scale: float, shift: float) -> None:
        super().__init__()
        self.network, self.scale, self.shift = network, scale, shift

    def forward(self, x: Tensor, noise: Tensor, **condition: Tensor) -> Tensor:
        output: Tensor = self.network(x, self.scale * noise + self.shift, **condition)
        return output


class ScoreNetwork(nn.Module):
    """s(x, sigma) = -F(x / sqrt(sigma^2 + sigma_data^2), log(sigma) / 4) / sigma.

    The inputs and outputs of F have a standard deviation near 1 at every noise level. The division by sigma is technique 3 of
    Song & Ermon 2020 (2006.09011); the scaling of x is c_in of Karras et al. 2022 (2206.00364).

    Args:
        network: F, with conditioning "c_noise".
        sigma_data: standard deviation of the data.
    """

    def __init__(self, network: nn.Module, sigma_data: float = 0.5) -> None:
        super().__init__()
        self.network, self.sigma_data = network, sigma_data

    def forward(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        scale = (sigma**2 + self.sigma_data**2).rsqrt()[:, None, None, None]
        output: Tensor = self.network(scale * x, sigma.log() / 4, **condition)
        return -output / sigma[:, None, None, None]


def with_conditioning(network: nn.Module, conditioning: str) -> nn.Module:
    """The network as one whose conditioning is "c_noise" or "timestep"; itself if it already is.

    Args:
        network: with one of these two conditionings.
    """
    if conditioning == network.conditioning:
        return network
    if conditioning == "c_noise":
        return AffineConditioning(network, RATE, RATE * SHIFT)
    return AffineConditioning(network, 1 / RATE, -SHIFT)
