"""The methods of deepinv, azula and diffusers behind one door: our prior and problem in, answers in our units out.

Their own classes run with their own defaults, unless a function's arguments say otherwise. Masks are the only operators.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from types import SimpleNamespace
from typing import Any

import deepinv
import numpy as np
import torch
from azula.denoise import Denoiser, DiracPosterior
from azula.guidance import DiffPIRDenoiser, DPSSampler, MMPSDenoiser, PGDMSampler
from azula.linalg.covariance import IsotropicCovariance
from azula.noise import VPSchedule
from azula.sample import DDPMSampler, Sampler
from deepinv import sampling
from diffusers import RePaintPipeline, RePaintScheduler
from torch import Tensor, nn

from restore.problem import Problem

Denoise = Callable[[Tensor, Tensor], Tensor]  # D(x, sigma).
# One answer for each picture of the problem, begun at a level where the library can be told one; torch.no_grad is the caller's.
Draw = Callable[[Denoise, Problem, float | None], Tensor]


# deepinv


class OwnRange(nn.Module):
    """D as it is, where deepinv can be told that a prior has a range of its own (`minus_one_one=False`)."""

    def __init__(self, denoise: Denoise) -> None:
        super().__init__()
        self.denoise = denoise

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        # deepinv has the level of a batch as number, (), (1,) or one a picture.
        return self.denoise(x, torch.as_tensor(sigma, dtype=x.dtype, device=x.device).flatten()[0])


def to_unit(x: Tensor, half: float) -> Tensor:
    return (1 + x / half) / 2


def physics(problem: Problem, unit: float) -> deepinv.physics.Inpainting:
    """A with its noise, sigma_y / unit."""
    return deepinv.physics.Inpainting(
        mask=problem.operator.keep[0].float().expand(problem.shape[1:]),
        img_size=tuple(problem.shape[1:]),
        noise_model=deepinv.physics.GaussianNoise(problem.sigma_y / unit),
        device=problem.y.device,
    )


def in_unit_range(model: Callable[[nn.Module], nn.Module], half: float) -> Draw:
    """In deepinv's [0, 1]: u = (1 + x / half) / 2, so a level is 2 half times as large for us."""

    def draw(denoise: Denoise, problem: Problem, start: float | None) -> Tensor:
        operator = physics(problem, 2 * half)
        unit = OwnRange(lambda u, sigma: to_unit(denoise(half * (2 * u - 1), 2 * half * sigma), half))
        return half * (2 * model(unit)(operator.A(to_unit(problem.y, half)), operator) - 1)

    return draw


def deepinv_ddrm(steps: int, half: float) -> Draw:
    # One evaluation a level; their default is 100 even levels from 1 to 0.
    return in_unit_range(lambda denoiser: sampling.DDRM(denoiser, sigmas=np.linspace(1, 0, steps)), half)


def deepinv_diffpir(steps: int, half: float) -> Draw:
    fidelity = deepinv.optim.data_fidelity.L2()
    return in_unit_range(lambda denoiser: sampling.DiffPIR(denoiser, fidelity, max_iter=steps), half)


def deepinv_dps(steps: int, guidance: str) -> Draw:
    """With its own clip to [-1, 1]."""

    def draw(denoise: Denoise, problem: Problem, start: float | None) -> Tensor:
        words = {"num_steps": steps + 1, "guidance": guidance, "device": problem.y.device, "minus_one_one": False}
        return sampling.DPS(OwnRange(denoise), **words)(problem.y, physics(problem, 1))

    return draw


def deepinv_posterior(steps: int, fidelity: Callable[..., nn.Module], **words: Any) -> Draw:
    """The diffusion of the posterior without clipping, with the schedule and solver that its DPS takes by default."""

    def draw(denoise: Denoise, problem: Problem, start: float | None) -> Tensor:
        model = sampling.PosteriorDiffusion(
            data_fidelity=fidelity(**words),
            denoiser=OwnRange(denoise),
            sde=sampling.VariancePreservingDiffusion(alpha=1.0),
            solver=sampling.DDPMSolver(timesteps=torch.linspace(1, 0, steps + 1, dtype=torch.float64)),
            minus_one_one=False,
        )
        return model(problem.y, physics(problem, 1))

    return draw


# azula


class Scaled(Denoiser):
    """x_t = alpha x0 + sigma z, so x = x_t / alpha at the level sigma / alpha."""

    def __init__(self, denoise: Denoise, schedule: VPSchedule) -> None:
        super().__init__()
        self.denoise, self.schedule = denoise, schedule

    def forward(self, x_t: Tensor, t: Tensor, **kwargs: object) -> DiracPosterior:
        alpha, sigma = self.schedule(t)
        return DiracPosterior(mean=self.denoise(x_t / alpha, sigma / alpha))


def azula(sampler: Callable[..., Sampler], steps: int) -> Draw:
    """From noise alone, or at a level from the guess that ours begins with."""

    def draw(denoise: Denoise, problem: Problem, start: float | None) -> Tensor:
        keep, words, begin = problem.operator.keep.to(problem.y.device), {"steps": steps, "silent": True}, {}
        if start is not None:
            words["start"] = azula_time(start)
            begin = {"mean": problem.operator.initial_estimate(problem.y), "var": torch.zeros(())}
        walk = sampler(Scaled(denoise, VPSchedule()), problem.y, lambda x: x * keep, problem.sigma_y, words)
        return walk(walk.init(problem.shape, **begin))

    return draw


def azula_time(level: float) -> float:
    """The time at which sigma / alpha is a level."""
    schedule = VPSchedule()
    alpha = sqrt((1 + schedule.sigma_min**2) / (1 + level**2))
    return sqrt(log(alpha) / log(schedule.alpha_min))


def azula_levels(start: float, steps: int) -> Tensor:
    """The levels of its walk, the last taken as 0."""
    alpha, sigma = VPSchedule()(torch.linspace(azula_time(start), 0, steps + 1))
    return torch.cat([(sigma / alpha)[:-1], torch.zeros(1)])


def azula_diffpir(steps: int) -> Draw:
    return azula(lambda d, y, a, sigma_y, words: DDPMSampler(DiffPIRDenoiser(d, y, a, var_y=sigma_y**2), **words), steps)


def azula_pgdm(steps: int, **options: Any) -> Draw:
    return azula(lambda d, y, a, sigma_y, words: PGDMSampler(d, y, a, lambda seen: seen, **words, **options), steps)


def azula_dps(steps: int) -> Draw:
    return azula(lambda d, y, a, sigma_y, words: DPSSampler(d, y, a, **words), steps)


def azula_mmps(steps: int, **options: Any) -> Draw:
    def sampler(d: Denoiser, y: Tensor, a: Callable[[Tensor], Tensor], sigma_y: float, words: dict[str, Any]) -> Sampler:
        return DDPMSampler(MMPSDenoiser(d, y, a, IsotropicCovariance(torch.tensor(sigma_y**2)), **options), **words)

    return azula(sampler, steps)


# diffusers


class Noise(nn.Module):
    """The noise in x_t = a x0 + s z, as a U-Net of diffusers answers it."""

    dtype = torch.float32

    def __init__(self, denoise: Denoise, scheduler: RePaintScheduler, device: torch.device) -> None:
        super().__init__()
        self.denoise, self.kept, self.device = denoise, scheduler.alphas_cumprod, device

    def forward(self, x_t: Tensor, t: Tensor) -> SimpleNamespace:
        a, s = self.kept[t].sqrt(), (1 - self.kept[t]).sqrt()
        return SimpleNamespace(sample=(x_t - a * self.denoise(x_t / a, s / a)) / s)


def diffusers_repaint(steps: int, jump: int, repeat: int) -> Draw:
    def draw(denoise: Denoise, problem: Problem, start: float | None) -> Tensor:
        scheduler = RePaintScheduler()
        pipeline = RePaintPipeline(Noise(denoise, scheduler, problem.y.device), scheduler)
        pipeline.set_progress_bar_config(disable=True)
        found = pipeline(
            image=problem.y,
            mask_image=problem.operator.keep.float(),
            num_inference_steps=steps,
            jump_length=jump,
            jump_n_sample=repeat,
            generator=torch.Generator().manual_seed(0),
            output_type="array",
        )
        return 2 * torch.from_numpy(found.images).permute(0, 3, 1, 2) - 1

    return draw
