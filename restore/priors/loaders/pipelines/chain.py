"""The prior of a network of diffusers, from the scheduler config that says how it was trained."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from restore.errors import PriorError
from restore.priors.families.ddpm import DDPM
from restore.priors.families.edm import EDM
from restore.priors.families.networked import NetworkPrior, NetworkSettings
from restore.priors.loaders.diffusers_scheduler import chain_settings, scheduler_of, spacing_of
from restore.priors.loaders.diffusers_schema import PRECONDITIONED
from restore.priors.loaders.fields import check_fields
from restore.priors.loaders.hub import read_json
from restore.priors.loaders.pipelines.parts import Parts
from restore.wording import called

logger = logging.getLogger("restore")
FILE = "scheduler_config.json"
EDM_SCHEDULERS = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")


def prior_of(
    parts: Parts, network: nn.Module, *, channels: int, multiple_of: int = 1, outputs: int | None = None, context: int = 16
) -> NetworkPrior:
    """A DDPM with the prediction type, table, clipping and spacing of the pipeline's scheduler, or an EDM with its sigmas.

    Args:
        network: called with x, a time and the keywords of a condition.
        channels: of latents or pictures.
        outputs: the network's output channels.
        context: see `Prior`. Attention sees everything; a window of 128 cells of latents shares 16 with its neighbour.

    Raises: PriorError for a scheduler of another kind.
    """
    sizes: NetworkSettings = {"channels": channels, "multiple_of": multiple_of, "context": context, "dtype": parts.dtype}
    told = _scheduler(parts)
    if told.get("_class_name") in EDM_SCHEDULERS:
        return _preconditioned(network, check_fields(told, PRECONDITIONED, f"{parts.source}: {FILE}", more=True), sizes)
    table, settings, sizes = chain_of(parts, channels=channels, multiple_of=multiple_of, outputs=outputs, context=context)
    prior = DDPM(network, table, **settings, **sizes)
    prior.spacing = spacing_of(scheduler_of(parts.files))
    return prior


def _scheduler(parts: Parts) -> dict[str, Any]:
    """The config of a pipeline's scheduler, unchecked; empty where there is none, which its reader finds."""
    path = parts.files.get(f"scheduler/{FILE}")
    return {} if path is None else read_json(path, parts.source)


def _preconditioned(network: nn.Module, told: dict[str, Any], sizes: NetworkSettings) -> EDM:
    """The EDM of a scheduler config; a velocity is F with the other sign."""
    found = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5, **told}
    sigmas = {name: float(found[name]) for name in ("sigma_min", "sigma_max", "sigma_data")}
    return EDM(Negated(network) if told.get("prediction_type") == "v_prediction" else network, **sigmas, **sizes)


class Negated(nn.Module):
    """A network's output with the other sign."""

    channels_last = False

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, time: Tensor, **given: Tensor) -> Tensor:
        answer: Tensor = self.network(x, time, **given)
        return -answer


def chain_of(
    parts: Parts, *, channels: int, multiple_of: int = 1, outputs: int | None = None, context: int = 16
) -> tuple[Tensor, dict[str, Any], NetworkSettings]:
    """abar (T,) of a pipeline's scheduler, the other arguments of `DDPM`, and those of `NetworkPrior`; see `prior_of`."""
    told = chain_settings(parts.files, {"in_channels": channels, "out_channels": outputs or channels})
    table = torch.tensor(told.pop("table"), dtype=torch.float64)
    return table, told, {"channels": channels, "multiple_of": multiple_of, "context": context, "dtype": parts.dtype}


def is_distilled(parts: Parts) -> bool:
    """Whether a pipeline is taken for one that was distilled to few steps without classifier-free guidance (Turbo, Sauer et al.
    2023, 2311.17042). No file says so. What tells them from others is a scheduler of Euler's with trailing spacing for a
    predicted noise, on a chain that does not end in pure noise."""
    told = _scheduler(parts)
    turbo = (
        told.get("_class_name") in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
        and told.get("timestep_spacing") == "trailing"
        and told.get("prediction_type", "epsilon") == "epsilon"
        and not told.get("rescale_betas_zero_snr")
    )
    if turbo:
        logger.info(
            "%s is taken for a model of few steps: %s is 1 unless given; see %s",
            parts.source,
            called("guidance_scale"),
            called("steps"),
        )
    return turbo


def levels_of(network: Any) -> int:
    """The multiple of cells that a U-Net's resolutions need."""
    return int(2 ** (len(network.config.block_out_channels) - 1))


def check_channels(parts: Parts, network: Any, wanted: int, what: str) -> None:
    """Raises PriorError unless a network takes so many channels."""
    found = network.config.in_channels
    if found != wanted:
        raise PriorError(f"{parts.source}: its network takes {found} channels; {what} has {wanted}")
