"""Runs of priors along the levels of diffusers' own pipelines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from restore.engine import reverse
from restore.guidance.unconditional import Unconditional, nothing_measured
from restore.priors import Prior
from restore.priors.latent.conditions import Conditions
from restore.sampling.samplers import ddim

STEPS = 4
ASKED = Conditions(prompt="a cat", negative_prompt="dog", guidance_scale=5.0)
TOLD = {"prompt": "a cat", "negative_prompt": "dog", "guidance_scale": 5.0}


def noise(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def stepped(prior: Prior, x: Tensor, schedule: Tensor, *, eta: float = 0.0, drawn: torch.Generator | None = None) -> Tensor:
    """The end of a DDIM run from a state at the first level of a schedule.

    Args:
        drawn: where the noise of later steps comes from.
    """
    first = [x]

    def next_noise(like: Tensor) -> Tensor:
        return first.pop() / schedule[0] if first else torch.randn(like.shape, generator=drawn)

    problem = nothing_measured(tuple(x.shape))
    *_, answer = reverse(problem, prior, Unconditional(), ddim(eta=eta), schedule, next_noise)
    return answer


def walked(prior: Prior, latents: Tensor, times: Tensor, *, eta: float = 0.0) -> Tensor:
    """The same along trained steps, from latents of unit variance as diffusers starts with."""
    assert prior.levels is not None
    schedule = torch.cat([prior.levels.flip(0)[times], torch.zeros(1).double()]).float()
    return stepped(prior, latents * (1 + schedule[0] ** 2).sqrt(), schedule, eta=eta)


def same(found: Tensor, wanted: Any) -> None:
    torch.testing.assert_close(found, torch.as_tensor(wanted), rtol=1e-4, atol=1e-4)
