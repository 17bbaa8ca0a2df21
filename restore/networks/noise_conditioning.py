"""How a network of any kind is asked by a family of any kind.

Networks say by `hears` how they like to be told the noise: "level", log(sigma) / 4 as EDM has it, about -1.6 to 1.1 (networks
of our own), or "time", 0 to 999 as DDPM has it (diffusers').
"""

from __future__ import annotations

from torch import Tensor, nn

# time = RATE (level + SHIFT) takes the levels of sigma 0.002 to 80 into 0 to 1000.
RATE, SHIFT = 370.0, 1.6


class Told(nn.Module):
    """A network told scale * level + shift instead of level."""

    def __init__(self, network: nn.Module, scale: float, shift: float) -> None:
        super().__init__()
        self.network, self.scale, self.shift = network, scale, shift

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        answer: Tensor = self.network(x, self.scale * level + self.shift)
        return answer


class Score(nn.Module):
    """s(x, sigma) = -F(x / sqrt(sigma^2 + sigma_data^2), log(sigma) / 4) / sigma.

    F sees and answers values around 1 at every level. The division by sigma is technique 3 of Song & Ermon 2020 (2006.09011);
    the scaling of x is that of Karras et al. 2022.

    Args:
        network: F; hears levels.
    """

    def __init__(self, network: nn.Module, sigma_data: float = 0.5) -> None:
        super().__init__()
        self.network, self.sigma_data = network, sigma_data

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        scale = (sigma**2 + self.sigma_data**2).rsqrt()[:, None, None, None]
        answer: Tensor = self.network(scale * x, sigma.log() / 4)
        return -answer / sigma[:, None, None, None]


def told(network: nn.Module, how: str) -> nn.Module:
    """The network as one that may be told the noise as "level" or "time", whichever it hears itself."""
    if how == network.hears:
        return network
    return Told(network, RATE, RATE * SHIFT) if how == "level" else Told(network, 1 / RATE, -SHIFT)
