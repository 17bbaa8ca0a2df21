"""The common shape of all objectives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restore.priors.prior import Prior
from restore.training.objectives.pnp_states import PnPStates


class Objective(ABC):
    """A loss over clean pictures; randomness comes from the generator given, never from global state."""

    def asks(self, prior: Prior) -> nn.Module:
        """What of a prior is called by `loss`: the prior itself, D, if not said otherwise."""
        return prior

    @abstractmethod
    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        """Scalar loss of one batch (B, C, H, W) in [-1, 1]; `model` is called as what `asks` answered."""


class Denoising(Objective, ABC):
    """E w(sigma) |D(x0 + sigma z, sigma) - x0|^2, the mean over values of the picture.

    With `relative` f > 0, each crop's weighted error L counts as f log(1 + L / f): a change counts by its size relative to the
    error that the crop has, down to f. That is what a mean of PSNR over pictures asks for, where the plain loss asks most about
    the crops that no denoiser does well on. A crop's error hardly depends on its noise, being a mean over many values, so the
    best D(y, sigma) stays the posterior mean.

    With `walks`, a share of each batch is pictures on their way through plug-and-play in place of noisy ones (`PnPStates`).
    What is wanted on white noise stays the posterior mean.
    """

    relative: float = 0.0
    walks: PnPStates | None = None

    @abstractmethod
    def levels(self, count: int, generator: Generator) -> Tensor:
        """sigma (count,), float32; each by the family's law, together spread evenly over it (`even`)."""

    @abstractmethod
    def weight(self, sigma: Tensor) -> Tensor:
        """w of sigma (B,)."""

    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        walks = [] if self.walks is None else self.walks.take(clean, generator)
        rest = clean[len(walks) :]
        sigma = self.levels(len(rest), generator).to(clean.device)
        seen = rest + sigma[:, None, None, None] * noise_for(rest, generator)
        if walks:
            ahead = torch.stack([walk.levels[0] for walk in walks]).to(clean.device)
            seen, sigma = torch.cat([*(walk.seen for walk in walks), seen]), torch.cat([ahead, sigma])
        answers = model(seen, sigma)
        walked = [(walk, answers[index : index + 1]) for index, walk in enumerate(walks)]
        squares = [walk.error(answer) for walk, answer in walked]
        squares.append((answers[len(walks) :] - rest).square().mean(dim=(1, 2, 3)))
        if self.walks is not None:
            self.walks.put_back(walk.onward(answer) for walk, answer in walked)
        errors = self.weight(sigma) * torch.cat(squares)
        return (self.relative * (errors / self.relative).log1p() if self.relative else errors).mean()


def even(count: int, generator: Generator) -> Tensor:
    """(count,) numbers in [0, 1), float64: each uniform by itself, and together one in every part of length 1/count.

    Evenly spaced points with one random offset, the low-discrepancy sampler of Kingma et al. 2021 ("Variational diffusion
    models", 2107.00630): the levels of a small batch cover their law every time, which takes scatter out of the gradient and
    changes nothing else.
    """
    offset = torch.rand((), generator=generator, dtype=torch.float64)
    return (offset + torch.arange(count, dtype=torch.float64) / count) % 1


def noise_for(clean: Tensor, generator: Generator) -> Tensor:
    """Standard normal noise; gray crops of a colour prior get gray noise: R = G = B stays a subspace the prior knows.

    See priors/gray.py.
    """
    noise = _normal(clean, generator)
    if clean.shape[1] == 1:
        return noise
    gray = (clean == clean[:, :1]).flatten(1).all(dim=1)
    return torch.where(gray[:, None, None, None], noise[:, :1].expand_as(noise), noise)


def _normal(like: Tensor, generator: Generator) -> Tensor:
    """Standard normal numbers; on another device than the generator's by one of that device, which takes its seed from it.

    A GPU waits long for a large batch of numbers that a CPU draws.
    """
    if like.device == generator.device:
        return torch.randn(like.shape, generator=generator, device=like.device)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    there = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=there, device=like.device)
