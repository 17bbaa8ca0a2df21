"""A prior that evaluates large pictures in windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from restore.device.memory import is_lack_of_memory
from restore.errors import OutOfMemoryError, UsageError
from restore.priors.prior import Prior
from restore.priors.view import PriorView
from restore.tiling.layout import Window, overlap_for, shift_at, windows
from restore.wording import called

LEAST = 64  # Side in pixels; smaller windows would be mostly overlap.


@dataclass
class Fits:
    """The sizes that are assumed to fit into memory. They are reduced after running out of memory, for the rest of the run.

    Attributes:
        batch: pictures per evaluation of the prior.
        window: largest side of a window in pixels.
    """

    batch: int
    window: int


class Tiled(PriorView):
    """Evaluates overlapping windows and blends them inside every call, so that guidance sees the whole picture.

    Windows have one size. Each has weight 1 in its own part of the picture. The weight falls to 0 across the part's borders,
    well before the window's edge, where the network's padding has an effect. Borders move with the noise level, so that no
    pixel lies at one for a whole run. On running out of memory the batch is halved, then the window, and the evaluation goes on
    with the window that failed.

    A picture that is one window is evaluated whole. For a gradient through several windows each window is evaluated again
    (gradient checkpointing; Chen et al. 2016, 1604.06174), so that memory holds the graph of one batch. The gradient can be
    taken once, with respect to x alone.

    Args:
        prior: evaluated on the windows.
        window: largest side of a window in pixels.
        overlap: pixels that two neighbours share at least; by default the receptive field, a quarter of the window at most.
        wanted: bool (1, 1, H, W), true at the pixels to denoise; windows without weight at such a pixel are skipped, and return
            x there.
        batch: windows, of all samples, per evaluation of the prior.

    Raises: UsageError for windows too small for the overlap; when called, OutOfMemoryError if the smallest does not fit.
    """

    def __init__(
        self, prior: Prior, *, window: int = 512, overlap: int | None = None, wanted: Tensor | None = None, batch: int = 1
    ) -> None:
        super().__init__(prior)
        self.wanted, self.fits = wanted, Fits(batch, window)
        self.overlap = overlap_for(prior.context, window) if overlap is None else overlap
        if not 0 <= self.overlap < window:
            raise UsageError(f"windows of {window} pixels cannot overlap by {self.overlap}")

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and x.requires_grad):
            return self._answer(x, sigma, None, self.wanted)
        if max(x.shape[-2:]) <= self.fits.window:
            whole = _attempt(self.prior, x, sigma)
            if whole is not None:
                return whole
            self._halve_window(x)
        answer: Tensor = _Recomputed.apply(x, sigma, self)
        return answer

    def count(self, height: int, width: int, sigma: float) -> int:
        """The number of windows of a picture that are evaluated at a noise level."""
        if max(height, width) <= self.fits.window:
            return 1
        return sum(window.wanted for window in self.windows(height, width, sigma, self.wanted))

    def windows(self, height: int, width: int, sigma: float, wanted: Tensor | None = None) -> list[Window]:
        """The windows of a picture at a noise level."""
        side = self.fits.window
        return windows(
            height,
            width,
            side,
            min(self.overlap, side // 2),
            multiple=self.multiple_of,
            shift=shift_at(sigma),
            wanted=wanted,
        )

    def _answer(self, x: Tensor, sigma: Tensor, pull: Tensor | None, wanted: Tensor | None = None) -> Tensor:
        """D of pictures of any size, or with `pull` (shaped as x) the gradient of <pull, D>."""
        if max(x.shape[-2:]) <= self.fits.window and len(x) <= self.fits.batch:
            whole = _attempt(self.prior, x, sigma, pull)
            if whole is not None:
                return whole
            if len(x) == 1:
                self._halve_window(x)
            else:
                self.fits.batch = len(x) // 2
        if max(x.shape[-2:]) > self.fits.window:
            return self._merged(x, sigma, pull, wanted)
        size = self.fits.batch
        pulls = [None] * len(x) if pull is None else pull.split(size)
        return torch.cat([self._answer(*part, wanted) for part in zip(x.split(size), sigma.split(size), pulls, strict=False)])

    def _merged(self, x: Tensor, sigma: Tensor, pull: Tensor | None, wanted: Tensor | None) -> Tensor:
        given = x if pull is None else pull
        height, width = x.shape[-2:]
        found = self.windows(height, width, float(sigma[0]), wanted)
        needed = [window for window in found if window.wanted]
        if len(needed) == len(found):
            total = torch.zeros_like(x)
        else:
            # Skipped windows return x: one copy, from which the share of the evaluated windows is subtracted.
            total = given.clone()
            for window in needed:
                window.cut(total).addcmul_(window.weight(x), window.cut(given), value=-1)
        jobs = [(window, sample) for window in needed for sample in range(len(x))]
        while jobs:
            group, jobs = jobs[: self.fits.batch], jobs[self.fits.batch :]
            parts = torch.cat([window.cut(x[sample, None]) for window, sample in group])
            levels = sigma[[sample for _, sample in group]]
            pulls = None
            if pull is not None:
                pulls = torch.cat([window.weight(x) * window.cut(pull[sample, None]) for window, sample in group])
            for (window, sample), answer in zip(group, self._answer(parts, levels, pulls), strict=True):
                place = window.cut(total[sample])
                if pull is None:
                    place.addcmul_(window.weight(x)[0], answer)
                else:
                    place.add_(answer)
        return total

    def _halve_window(self, x: Tensor) -> None:
        """Halve the largest side of a window. Raises OutOfMemoryError if x is already as small as the smallest window."""
        height, width = x.shape[-2:]
        least = max(LEAST, 4 * self.multiple_of)
        if max(height, width) <= least:
            raise OutOfMemoryError(
                f"not enough memory for a window of {width}x{height} pixels, the smallest there is; "
                f"free some memory, or name a smaller {called('prior')}"
            )
        self.fits.window, self.fits.batch = max(least, max(height, width) // 2), 1


class _Recomputed(torch.autograd.Function):
    """A tiled evaluation that stores x alone for the backward pass.

    Unlike torch.utils.checkpoint, it does not make a gradient of the whole picture's size for every window.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, sigma: Tensor, tiled: Tiled) -> Tensor:
        ctx.tiled = tiled
        ctx.save_for_backward(x, sigma)
        return tiled._answer(x, sigma, None, tiled.wanted)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor, None, None]:
        x, sigma = ctx.saved_tensors
        return ctx.tiled._answer(x, sigma, pull, ctx.tiled.wanted), None, None


def _attempt(prior: Prior, x: Tensor, sigma: Tensor, pull: Tensor | None = None) -> Tensor | None:
    """D, or the gradient of <pull, D>; None if it runs out of memory."""
    try:
        if pull is None:
            return prior(x, sigma)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(prior(x, sigma), x, pull)[0]
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
    # Outside the handler, because the error keeps tensors alive.
    if x.is_cuda:
        torch.cuda.empty_cache()
    return None
