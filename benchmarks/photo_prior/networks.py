"""Networks that see more of a picture than the bundled prior's: `ResidualUNet` with one change each.

All stay positively homogeneous, as the network without constants is: scaled input gives scaled output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.residual_unet import Block, ResidualUNet

DEEP: Mapping[str, Any] = {"widths": (64, 128, 256), "blocks": (3, 2, 3), "patch": 2}
EVERYWHERE = 100_000  # Context of what sees the whole picture.


class After(nn.Module):
    """A block, then another module of features alone."""

    def __init__(self, block: nn.Module, then: nn.Module) -> None:
        super().__init__()
        self.block, self.then = block, then

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.then(self.block(x, level))  # type: ignore[no-any-return]


class Token(nn.Module):
    """x + a linear map of the mean of x over the picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.spread.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.spread(x.mean(dim=(2, 3)))[:, :, None, None]  # type: ignore[no-any-return]


class Attention(nn.Module):
    """x + self-attention by the cosine of queries and keys, which leaves the network homogeneous."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.asked = nn.Conv2d(width, 3 * width, 1, bias=False)
        self.answered = nn.Conv2d(width, width, 1, bias=False)
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        nn.init.zeros_(self.answered.weight)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, across = x.shape
        split = (batch, 3, self.heads, width // self.heads, height * across)
        query, key, value = self.asked(x).reshape(split).transpose(-1, -2).unbind(1)
        query = F.normalize(query, dim=-1) * self.sharpness.exp().to(query.dtype)
        found = F.scaled_dot_product_attention(query, F.normalize(key, dim=-1), value, scale=1.0)
        return x + self.answered(found.transpose(-1, -2).reshape(x.shape))  # type: ignore[no-any-return]


def _deep(**changes: Any) -> ResidualUNet:
    return ResidualUNet(**{**DEEP, **changes})


def _dilated() -> ResidualUNet:
    """The coarsest blocks look 1, 2 and 4 features apart."""
    network = _deep()
    for block, apart in zip(_coarsest(network), (1, 2, 4), strict=True):
        assert isinstance(block, Block)
        for convolution in (block.first, block.second):
            convolution.dilation = convolution.padding = (apart, apart)
    network.context += 8 * 2 * (1 + 3)
    return network


def _with(make: Callable[[int], nn.Module]) -> ResidualUNet:
    """Something after the first two of the coarsest blocks."""
    network = _deep()
    coarsest = _coarsest(network)
    for index in (0, 1):
        coarsest[index] = After(coarsest[index], make(256))
    network.context = EVERYWHERE
    return network


def _coarsest(network: ResidualUNet) -> nn.ModuleList:
    stage = network.down_blocks[-1]
    assert isinstance(stage, nn.ModuleList)
    return stage


NETWORKS: dict[str, Callable[[], Any]] = {
    "deep": _deep,
    "a level more": lambda: _deep(widths=(64, 128, 256, 256), blocks=(3, 2, 1, 3)),
    "dilated": _dilated,
    "token": lambda: _with(Token),
    "attention": lambda: _with(Attention),
    "cascade": lambda: _deep(cascade=True),
}
"""By name: the bundled prior's, and one change each. In "a level more" two of the blocks at stride 8 move to stride 16."""
