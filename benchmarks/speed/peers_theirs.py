"""The bundled network behind the doors of deepinv, azula and diffusers."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from types import SimpleNamespace

import deepinv
import numpy as np
import torch
from azula.denoise import Denoiser, DiracPosterior
from azula.guidance import DiffPIRDenoiser, MMPSDenoiser, PGDMSampler
from azula.linalg.covariance import IsotropicCovariance
from azula.noise import VPSchedule
from azula.sample import DDPMSampler, Sampler
from deepinv import sampling
from diffusers import RePaintPipeline, RePaintScheduler
from torch import Tensor, nn

from benchmarks.speed.peers import JUMP, REPEAT
from restore.priors import Prior
from restore.problem import Problem

Draw = Callable[[Prior, Problem, int, torch.device], Tensor]  # An answer in [-1, 1].


class Within(nn.Module):
    """D at levels that the prior was trained for; the nearest of them for others."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.prior(x, sigma.clamp(self.prior.sigma_min, self.prior.sigma_max))


def one(sigma: Tensor | float, like: Tensor) -> Tensor:
    """One level for the whole batch, as () tensor; deepinv has it as number, (), (1,) or one a picture."""
    return torch.as_tensor(sigma, dtype=like.dtype, device=like.device).flatten()[0]


# deepinv: pictures in [0, 1], levels half of ours, but for DPS, which takes ours.


class UnitRange(Within):
    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        return (super().forward(2 * x - 1, 2 * one(sigma, x)) + 1) / 2


class OwnRange(Within):
    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        return super().forward(x, one(sigma, x))


def physics(problem: Problem, unit: float, device: torch.device) -> deepinv.physics.Inpainting:
    return deepinv.physics.Inpainting(
        mask=problem.operator.keep[0].float().expand(problem.shape[1:]),
        img_size=tuple(problem.shape[1:]),
        noise_model=deepinv.physics.GaussianNoise(problem.sigma_y / unit),
        device=device,
    )


def in_unit_range(model: Callable[[nn.Module, int], nn.Module]) -> Draw:
    @torch.no_grad()
    def draw(prior: Prior, problem: Problem, steps: int, device: torch.device) -> Tensor:
        operator = physics(problem, 2, device)
        return 2 * model(UnitRange(prior), steps)(operator.A((problem.y.to(device) + 1) / 2), operator) - 1

    return draw


def ddrm(denoiser: nn.Module, steps: int) -> nn.Module:
    return sampling.DDRM(denoiser, sigmas=np.linspace(1, 0, steps))  # One evaluation a level.


def diffpir(denoiser: nn.Module, steps: int) -> nn.Module:
    return sampling.DiffPIR(denoiser, deepinv.optim.data_fidelity.L2(), max_iter=steps)


def dps(guidance: str) -> Draw:
    @torch.no_grad()
    def draw(prior: Prior, problem: Problem, steps: int, device: torch.device) -> Tensor:
        model = sampling.DPS(OwnRange(prior), num_steps=steps + 1, guidance=guidance, device=device, minus_one_one=False)
        return model(problem.y.to(device), physics(problem, 1, device))

    return draw


# azula


class Scaled(Denoiser):
    """x_t = alpha x0 + sigma z, so x = x_t / alpha at the level sigma / alpha."""

    def __init__(self, prior: Prior, schedule: VPSchedule) -> None:
        super().__init__()
        self.inner, self.schedule = Within(prior), schedule

    def forward(self, x_t: Tensor, t: Tensor, **kwargs: object) -> DiracPosterior:
        alpha, sigma = self.schedule(t)
        return DiracPosterior(mean=self.inner(x_t / alpha, sigma / alpha))


def azula(sampler: Callable[..., Sampler]) -> Draw:
    """From the level and the guess that ours begins with."""

    @torch.no_grad()
    def draw(prior: Prior, problem: Problem, steps: int, device: torch.device) -> Tensor:
        schedule = VPSchedule()
        y, keep = problem.y.to(device), problem.operator.keep.to(device)
        words = {"start": azula_start(prior), "steps": steps, "silent": True}
        walk = sampler(Scaled(prior, schedule), y, lambda x: x * keep, problem.sigma_y, words)
        return walk(walk.init(problem.shape, mean=problem.operator.initial_estimate(y), var=torch.zeros(())))

    return draw


def azula_start(prior: Prior) -> float:
    """The time at which sigma / alpha is the level that guided runs begin at."""
    schedule, level = VPSchedule(), prior.sigma_start or prior.sigma_max
    alpha = sqrt((1 + schedule.sigma_min**2) / (1 + level**2))
    return sqrt(log(alpha) / log(schedule.alpha_min))


def azula_levels(prior: Prior, steps: int) -> Tensor:
    """The levels of its walk, the last taken as 0."""
    alpha, sigma = VPSchedule()(torch.linspace(azula_start(prior), 0, steps + 1))
    return torch.cat([(sigma / alpha)[:-1], torch.zeros(1)])


def azula_diffpir(denoiser: Denoiser, y: Tensor, operator: Callable, sigma_y: float, words: dict) -> Sampler:
    return DDPMSampler(DiffPIRDenoiser(denoiser, y, operator, var_y=sigma_y**2), **words)


def azula_pgdm(denoiser: Denoiser, y: Tensor, operator: Callable, sigma_y: float, words: dict) -> Sampler:
    return PGDMSampler(denoiser, y, operator, lambda seen: seen, **words)


def azula_mmps(**options: object) -> Callable[..., Sampler]:
    def build(denoiser: Denoiser, y: Tensor, operator: Callable, sigma_y: float, words: dict) -> Sampler:
        covariance = IsotropicCovariance(torch.tensor(sigma_y**2))
        return DDPMSampler(MMPSDenoiser(denoiser, y, operator, covariance, **options), **words)

    return build


# diffusers


class Noise(Within):
    """The noise in x_t = a x0 + s z, as a U-Net of diffusers answers it."""

    dtype = torch.float32

    def __init__(self, prior: Prior, scheduler: RePaintScheduler, device: torch.device) -> None:
        super().__init__(prior)
        self.kept, self.device = scheduler.alphas_cumprod, device

    def forward(self, x_t: Tensor, t: Tensor) -> SimpleNamespace:
        a, s = self.kept[t].sqrt(), (1 - self.kept[t]).sqrt()
        return SimpleNamespace(sample=(x_t - a * super().forward(x_t / a, s / a)) / s)


def repaint(prior: Prior, problem: Problem, steps: int, device: torch.device) -> Tensor:
    scheduler = RePaintScheduler()
    pipeline = RePaintPipeline(Noise(prior, scheduler, device), scheduler)
    pipeline.set_progress_bar_config(disable=True)
    found = pipeline(
        image=problem.y,
        mask_image=problem.operator.keep.float(),
        num_inference_steps=steps,
        jump_length=JUMP,
        jump_n_sample=REPEAT,
        generator=torch.Generator().manual_seed(0),
        output_type="array",
    )
    return 2 * torch.from_numpy(found.images).permute(0, 3, 1, 2) - 1


THEIRS: dict[str, Draw] = {
    "DDRM, deepinv": in_unit_range(ddrm),
    "DiffPIR, deepinv": in_unit_range(diffpir),
    "DPS, deepinv": dps("norm"),
    "DPS annealed, deepinv": dps("annealed"),
    "DiffPIR, azula": azula(azula_diffpir),
    "PiGDM, azula": azula(azula_pgdm),
    "MMPS of one iteration, azula": azula(azula_mmps()),
    "MMPS of eight iterations, azula": azula(azula_mmps(iterations=8)),
    "RePaint, diffusers": repaint,
}
