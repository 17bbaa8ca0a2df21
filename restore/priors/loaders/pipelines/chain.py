"""The prior of a network of diffusers, from the scheduler config that says how it was trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from restore.errors import PriorError
from restore.priors.families.ddpm import DDPM
from restore.priors.families.networked import NetworkPrior, NetworkSettings
from restore.priors.loaders.diffusers_scheduler import chain_settings
from restore.priors.loaders.pipelines.parts import Parts

FILE = "scheduler_config.json"


def prior_of(
    parts: Parts, network: nn.Module, *, channels: int, multiple_of: int = 1, outputs: int | None = None, context: int = 16
) -> NetworkPrior:
    """A DDPM, with the prediction type, table and clipping of the pipeline's scheduler.

    Args:
        network: called with x, a time and the keywords of a condition.
        channels: of latents or pictures.
        outputs: the network's output channels.
        context: see `Prior`. Attention sees everything; a window of 128 cells of latents shares 16 with its neighbour.

    Raises: PriorError for a scheduler of another kind.
    """
    table, settings, sizes = chain_of(parts, channels=channels, multiple_of=multiple_of, outputs=outputs, context=context)
    return DDPM(network, table, **settings, **sizes)


def chain_of(
    parts: Parts, *, channels: int, multiple_of: int = 1, outputs: int | None = None, context: int = 16
) -> tuple[Tensor, dict[str, Any], NetworkSettings]:
    """abar (T,) of a pipeline's scheduler, the other arguments of `DDPM`, and those of `NetworkPrior`; see `prior_of`."""
    told = chain_settings(parts.files, {"in_channels": channels, "out_channels": outputs or channels})
    table = torch.tensor(told.pop("table"), dtype=torch.float64)
    return table, told, {"channels": channels, "multiple_of": multiple_of, "context": context, "dtype": parts.dtype}


def levels_of(network: Any) -> int:
    """The multiple of cells that a U-Net's resolutions need."""
    return int(2 ** (len(network.config.block_out_channels) - 1))


def check_channels(parts: Parts, network: Any, wanted: int, what: str) -> None:
    """Raises PriorError unless a network takes so many channels."""
    found = network.config.in_channels
    if found != wanted:
        raise PriorError(f"{parts.source}: its network takes {found} channels; {what} has {wanted}")
