"""Networks larger than the device: their weights lie elsewhere and come layer by layer (Accelerate)."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import nn

from restore.device import memory
from restore.priors.families.networked import NetworkPrior
from restore.priors.latent.conditional import Conditional
from restore.priors.prior import Prior

logger = logging.getLogger("restore")
# Modules that use weights of a part without calling it; all of theirs come at once.
WHOLE = ["VectorQuantizer", "MultiheadAttention"]


def fits(prior: Prior, device: torch.device, bound: str | int | None) -> bool:
    """Whether a prior's weights fit into what a run may use of the device.

    Args:
        bound: the most that the whole process may use, as "2GB" or bytes; None for what is free.
    """
    room = memory.room(device, None if bound is None else memory.parse(bound))
    if device.type == "cpu":
        room += weights_of(prior)  # They are there already.
    return weights_of(prior) <= room


def weights_of(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers."""
    return sum(part.numel() * part.element_size() for part in (*module.parameters(), *module.buffers()))


def offload(prior: Prior, device: torch.device) -> None:
    """Leave the weights of a prior's networks and text encoders outside of the device, in place.

    For a GPU they stay in the machine's memory; for the CPU they are written to a folder of temporary files, which goes with
    the prior. Each layer's weights are on the device while it computes. A codec and small parts stay there: they are used by
    more than one call. A gradient keeps the weights of the layers that it passes through.

    Raises: OSError if the files cannot be written.
    """
    from accelerate import cpu_offload, disk_offload

    large = _networks(prior)
    inside = {id(part) for module in large for part in module.modules()}
    for module in large:
        if device.type == "cpu":
            folder = Path(tempfile.mkdtemp(prefix="restore-weights-"))
            weakref.finalize(prior, shutil.rmtree, folder, ignore_errors=True)
            disk_offload(module, folder, execution_device=device, preload_module_classes=WHOLE)
        else:
            cpu_offload(module.to("cpu"), execution_device=device, preload_module_classes=WHOLE)
    _move_rest(prior, device, inside)
    place = "temporary files" if device.type == "cpu" else "the machine's memory"
    logger.info("the prior does not fit: its weights stay in %s, and come to %s layer by layer", place, device)


def _networks(prior: Prior) -> list[Any]:
    """Networks and text encoders, each once."""
    found: dict[int, Any] = {}
    for part in prior.modules():
        if isinstance(part, NetworkPrior):
            found[id(part.network)] = part.network
        if isinstance(part, Conditional):
            found |= {id(module): module for module in part.conditioner.modules().values()}
    return list(found.values())


def _move_rest(prior: Prior, device: torch.device, inside: set[int]) -> None:
    """Move what is no part of an offloaded module."""
    for part in prior.modules():
        if id(part) in inside:
            continue
        for name, weights in part._parameters.items():
            if weights is not None:
                part._parameters[name] = nn.Parameter(weights.to(device), requires_grad=weights.requires_grad)
        for name, values in part._buffers.items():
            if values is not None:
                part._buffers[name] = values.to(device)
