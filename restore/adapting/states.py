"""What a prior learns from in a tuning: noisy crops, and states of restoring crops that were damaged as the picture was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from numpy.random import Generator as Dice
from torch import Generator, Tensor

from restore.adapting.material import Crops, Material
from restore.guidance.pnp import PnP
from restore.noise.rounding import ROUNDED
from restore.objectives.edm import EDMObjective
from restore.objectives.objective import noise_for
from restore.objectives.pnp_states import Trajectory, begun
from restore.operators.operator import Linear
from restore.planning.plan import Plan

LOWEST, HIGHEST = 0.02, 1.5  # Noise levels, in units of [-1, 1] pictures.
LEVELS = EDMObjective(mean=math.log(0.2), std=1.2, sigma_min=LOWEST, sigma_max=HIGHEST)
RELATIVE = 0.02  # As `DenoisingObjective.relative`.
POOL = 8  # Unfinished restorations, of which each batch takes some.


@dataclass
class Loss:
    """The denoising loss over known pixels: half of each batch with noise, half states of plug-and-play (`Trajectory`).

    Where pixels are missing in a noisy picture, states alone are learnt from: the noise of what is asked for is independent of
    all that the prior sees. Where none are missing the noise is split (`Material.split`).

    Attributes:
        found: what is learnt from.
        method: whose states are learnt from; None for noise alone.
        share: of a batch that are states.
    """

    found: Material
    method: PnP | None
    share: float
    _pool: list[tuple[Trajectory, Tensor]] = field(default_factory=list)

    @classmethod
    def of(cls, found: Material, plan: Plan) -> Loss:
        """With states of the plan's method, if that is plug-and-play, else of the default one."""
        problem, own = found.problem, plan.guidance
        if found.denoises or not isinstance(problem.operator, Linear):
            return cls(found, None, 0.0)
        method = own if isinstance(own, PnP) else PnP()
        return cls(found, method, 1.0 if problem.sigma_y > ROUNDED else 0.5)

    def __call__(
        self, prior: Callable[[Tensor, Tensor], Tensor], crops: Crops, dice: Dice, generator: Generator, device: torch.device
    ) -> Tensor:
        """The scalar loss of a batch of crops."""
        if self.found.denoises:
            share = torch.from_numpy(dice.uniform(0.3, 1.0, (len(crops.clean), 1, 1, 1))).float()
            noisy, wanted = (part.to(device) for part in self.found.split(crops.clean, share, generator))
            sigma = (self.found.problem.sigma_y * (1 + share**2).sqrt()).flatten().to(device)
            return _mean((prior(noisy, sigma) - wanted).square(), crops.known.to(device)).mean() / self.found.problem.sigma_y**2
        taken = self._taken(crops, dice)
        clean, known = crops.clean[len(taken) :].to(device), crops.known[len(taken) :].to(device)
        sigma = LEVELS.sample_sigma(len(clean), generator).to(device)
        x = clean + sigma[:, None, None, None] * noise_for(clean, generator)
        sigma = torch.cat([*(one.sigmas[:1].to(device) for one, _ in taken), sigma])
        x0 = prior(torch.cat([*(one.x.to(device) for one, _ in taken), x]), sigma)
        errors = []
        for (one, counted), estimate in zip(taken, x0[: len(taken)].split(1), strict=True):
            errors.append(_mean((estimate - one.clean.to(device)).square(), counted.to(device)))
            later = one.advance(estimate.detach().to(one.x))
            if len(later.sigmas):
                self._pool.append((later, counted))
        errors.append(_mean((x0[len(taken) :] - clean).square(), known))
        weighted = LEVELS.weight(sigma) * torch.cat(errors)
        return (RELATIVE * (weighted / RELATIVE).log1p()).mean()

    def _taken(self, crops: Crops, dice: Dice) -> list[tuple[Trajectory, Tensor]]:
        """Restorations on their way, with the pixels that are known and were not measured."""
        if self.method is None:
            return []
        count = int(self.share * len(crops.clean))
        while len(self._pool) < POOL:
            index = int(dice.integers(count))
            clean, known = crops.clean[index : index + 1], crops.known[index : index + 1]
            operator = self.found.operator(known, dice)
            assert isinstance(operator, Linear)
            missing = operator.missing_mask(clean.shape)
            self._pool.append((begun(clean, operator, 1.0, self.method, dice), known if missing is None else known & missing))
        return [self._pool.pop(int(dice.integers(len(self._pool)))) for _ in range(count)]


def _mean(squares: Tensor, counted: Tensor) -> Tensor:
    """(B,): the mean over the pixels that count."""
    counted = counted.expand_as(squares)
    return (squares * counted).sum(dim=(1, 2, 3)) / counted.sum(dim=(1, 2, 3)).clamp_min(1)
