"""Conditions of inpainting networks: a mask and the code of the masked picture beside z."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from restore.errors import OperatorError, UsageError
from restore.operators.mask import Mask
from restore.priors.latent.codec import Codec
from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.problem import Problem


class Masked(Conditioner):
    """What another conditioner makes, with a mask (1 where pixels are missing) and E(y), y being 0 where pixels are missing.

    The mask is reduced as diffusers does it, by its nearest pixel.

    Args:
        inner: the other conditioner.
        codec: E.
    """

    def __init__(self, inner: Conditioner, codec: Codec) -> None:
        self.inner, self.codec = inner, codec

    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        if problem is None:
            raise UsageError("this prior fills masks in pictures, and draws none of its own; see `restore inpaint`")
        if not isinstance(problem.operator, Mask):
            raise OperatorError(f"this prior fills masks, and takes no {type(problem.operator).__name__} operator")
        lost = (~problem.operator.keep).any(dim=1, keepdim=True).float().to(device)
        height, width = (cells * self.codec.factor for cells in self.codec.cells(*problem.shape[-2:]))
        # Beyond the picture everything is as at its rim.
        lost = F.pad(lost, (0, width - lost.shape[-1], 0, height - lost.shape[-2]), mode="replicate")
        mask = F.interpolate(lost, size=self.codec.cells(height, width))
        y = problem.y.to(device).expand(-1, self.codec.picture_channels, -1, -1)
        beside = torch.cat([mask, self.codec.encode(y)], dim=1)
        return replace(self.inner.condition(asked, problem, device), beside=beside)

    def modules(self) -> Mapping[str, nn.Module]:
        return self.inner.modules()
