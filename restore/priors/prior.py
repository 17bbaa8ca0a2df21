"""The interface of every prior: the denoiser D(x, sigma) = E[x0 | x0 + sigma z = x]."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Self

from restore.errors import PriorError
from restore.priors.latent.codec import Codec, Pixels
from restore.priors.latent.conditions import Conditions
from restore.problem import Problem


class Prior(nn.Module, ABC):
    """A distribution of clean pictures, represented by its minimum mean squared error denoiser D.

    A family implements `denoise`. Calling the prior checks its input, broadcasts sigma and pads to `multiple_of` first, so that
    neither families nor callers handle sizes. The score is `(D - x) / sigma**2` (Tweedie's formula; Robbins 1956).

    Attributes:
        channels: of a picture.
        multiple_of: H and W must be multiples of it for the network; other sizes are padded by reflection and cropped back.
        context: radius of the receptive field in pixels; windows and crops have this margin around the pixels they restore.
        sigma_min, sigma_max: trained range of noise levels, in units of [-1, 1] pictures.
        sigma_start: the noise level at which guided runs start from an initial estimate, because D, and above all its
            derivative, is not accurate up to sigma_max. None to start from pure noise at sigma_max.
        levels: (T,), the trained levels in falling order, if they are discrete; else None.
        spacing: the rule by which a run of few steps takes some of the levels; see `schedules.SPACINGS`.
        guidance: the name of the method that the prior is made for, as one that was trained with the measurement has; None to
            choose it by the operator.
        whole: whether pictures must be evaluated whole, not in windows.
    """

    channels: int = 3
    multiple_of: int = 1
    context: int = 32
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_start: float | None = None
    levels: Tensor | None = None
    spacing: str = "linspace"
    guidance: str | None = None
    whole: bool = False

    @abstractmethod
    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D for x (B, C, H, W), H and W multiples of `multiple_of`, and sigma (B,); same shape and dtype as x."""

    @property
    def codec(self) -> Codec:
        """The space that x is in: `Pixels` unless the prior is one of latents."""
        return Pixels(self.channels)

    def given(self, asked: Conditions, problem: Problem | None = None) -> Prior:
        """The prior under a condition, for one problem.

        Args:
            problem: in pixels; None for samples of the prior alone.

        Raises: UsageError for what the prior does not take, OperatorError for a problem that it is not made for.
        """
        asked.only()
        return self

    def in_gray(self) -> Prior:
        """The prior for pictures of one channel. Raises PriorError unless it is one of 3 channels."""
        from restore.priors.views.gray import GrayView

        return GrayView(self)

    def twin(self) -> Self:
        """A copy that shares all weights, and whose parts can be replaced."""
        twin = copy.copy(self)
        twin._modules = dict(self._modules)  # nn.Module's own copy shares the table of parts.
        return twin

    def effective_dtype(self, device: torch.device) -> torch.dtype:
        """The dtype that the network computes in on a device; float32 unless overridden."""
        return torch.float32

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """The posterior mean of the clean picture given a noisy one; differentiable in x.

        Args:
            x: (B, C, H, W), a clean picture in [-1, 1] plus noise of standard deviation sigma.
            sigma: a number, () or (B,), above 0.

        Returns: (B, C, H, W).
        Raises: PriorError unless x has four dimensions and the prior's number of channels.
        """
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise PriorError(f"this prior takes pictures (B, {self.channels}, H, W), got {tuple(x.shape)}")
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(x.shape[0])
        height, width = x.shape[-2:]
        padded = pad_to_multiple(x, self.multiple_of)
        return self.denoise(padded, sigma)[..., :height, :width]


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """x (B, C, H, W) padded at the right and bottom by reflection, or by replication if x is smaller than the padding."""
    bottom, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    if not bottom and not right:
        return x
    reflects = bottom < x.shape[-2] and right < x.shape[-1]
    return F.pad(x, (0, right, 0, bottom), mode="reflect" if reflects else "replicate")
