"""The interface of training objectives, and the denoising loss that most families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restore.objectives.pnp_states import TrajectoryPool
from restore.priors.prior import Prior


class Objective(ABC):
    """A loss over clean pictures. All randomness comes from the generator given, none from global state."""

    def model_for(self, prior: Prior) -> nn.Module:
        """The module that `loss` calls: by default the prior itself, D(x, sigma)."""
        return prior

    @abstractmethod
    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        """The scalar loss of one batch.

        Args:
            model: called as the module of `model_for`.
            clean: (B, C, H, W) in [-1, 1].
        """


class DenoisingObjective(Objective, ABC):
    """E w(sigma) |D(x0 + sigma z, sigma) - x0|^2, the mean over the values of a picture.

    With `relative` f > 0, the weighted error L of each crop enters as f log(1 + L / f). A change of L then counts relative to
    L, down to f, as it does in a mean of PSNR over pictures; without it, crops that are hard to denoise dominate the gradient.
    L is a mean over many values and hardly depends on the noise, so the minimiser is still about the posterior mean.

    With `trajectories`, a share of each batch are intermediate states of plug-and-play restoration in place of noisy pictures
    (`TrajectoryPool`). On Gaussian noise the minimiser stays the posterior mean.
    """

    relative: float = 0.0
    trajectories: TrajectoryPool | None = None

    @abstractmethod
    def sample_sigma(self, count: int, generator: Generator) -> Tensor:
        """Noise levels (count,), float32, each from the family's distribution, together stratified over it (`stratified`)."""

    @abstractmethod
    def weight(self, sigma: Tensor) -> Tensor:
        """w(sigma), (B,) -> (B,)."""

    def loss(self, model: Callable[..., Any], clean: Tensor, generator: Generator) -> Tensor:
        trajectories = [] if self.trajectories is None else self.trajectories.sample(clean, generator)
        rest = clean[len(trajectories) :]
        sigma = self.sample_sigma(len(rest), generator).to(clean.device)
        x = rest + sigma[:, None, None, None] * noise_for(rest, generator)
        if trajectories:
            first = torch.stack([one.sigmas[0] for one in trajectories]).to(clean.device)
            x, sigma = torch.cat([*(one.x for one in trajectories), x]), torch.cat([first, sigma])
        x0 = model(x, sigma)
        denoised = [(one, x0[index : index + 1]) for index, one in enumerate(trajectories)]
        squares = [one.error(estimate) for one, estimate in denoised]
        squares.append((x0[len(trajectories) :] - rest).square().mean(dim=(1, 2, 3)))
        if self.trajectories is not None:
            self.trajectories.put_back(one.advance(estimate) for one, estimate in denoised)
        errors = self.weight(sigma) * torch.cat(squares)
        return (self.relative * (errors / self.relative).log1p() if self.relative else errors).mean()


def stratified(count: int, generator: Generator) -> Tensor:
    """(count,) numbers in [0, 1), float64: each uniform, and together one in every interval of length 1/count.

    They are evenly spaced with one random offset, the low-discrepancy sampler of Kingma et al. 2021 ("Variational diffusion
    models", 2107.00630). It lowers the variance of the gradient and leaves its mean unchanged.
    """
    offset = torch.rand((), generator=generator, dtype=torch.float64)
    return (offset + torch.arange(count, dtype=torch.float64) / count) % 1


def noise_for(clean: Tensor, generator: Generator) -> Tensor:
    """Standard normal noise of the shape of `clean`; gray noise (R = G = B) for gray crops of a colour prior.

    Gray pictures are restored with such noise (see priors/views/gray.py), so the prior must be trained on it.
    """
    noise = _normal(clean, generator)
    if clean.shape[1] == 1:
        return noise
    gray = (clean == clean[:, :1]).flatten(1).all(dim=1)
    return torch.where(gray[:, None, None, None], noise[:, :1].expand_as(noise), noise)


def _normal(like: Tensor, generator: Generator) -> Tensor:
    """Standard normal numbers.

    On a device other than the generator's they come from a generator of that device, seeded by the one given, because drawing a
    large batch on the CPU would keep a GPU waiting.
    """
    if like.device == generator.device:
        return torch.randn(like.shape, generator=generator, device=like.device)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    there = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=there, device=like.device)
