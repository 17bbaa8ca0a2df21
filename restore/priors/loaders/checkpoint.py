"""Somebody else's checkpoint in the terms of this project's model folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.loaders import folder
from restore.priors.prior import Prior


@dataclass(frozen=True)
class Checkpoint:
    """What `folder.build` needs to know, and what to put into it.

    Attributes:
        config: of a model folder.
        weights: the network's, under the names of its state-dict.
        origin: where it came from, for a card.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    origin: str


def assemble(checkpoint: Checkpoint, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior, ready to use; its weights are those given, not copies."""
    prior = _hollow(checkpoint.config, dtype)
    prior.load_state_dict({f"network.{name}": value for name, value in checkpoint.weights.items()}, assign=True)
    return folder.channels_last(prior.eval().requires_grad_(False))


def check_weights(checkpoint: Checkpoint, source: str) -> None:
    """Whether the weights are the network's, by names and shapes; the tensors may be on the meta device.

    Raises: PriorError saying what was expected and what was found.
    """
    wanted = {name.removeprefix("network."): value for name, value in _hollow(checkpoint.config).state_dict().items()}
    found = checkpoint.weights
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    other = sorted(name for name in wanted.keys() & found.keys() if wanted[name].shape != found[name].shape)
    faults = [
        f"{len(names)} {what}, {names[0]} first" for names, what in ((missing, "missing"), (unknown, "not known")) if names
    ]
    if other:
        shapes = f"{tuple(wanted[other[0]].shape)}, found {tuple(found[other[0]].shape)}"
        faults.append(f"{len(other)} of another shape, {other[0]} first: expected {shapes}")
    if faults:
        raise PriorError(f"{source}: of the {len(wanted)} tensors expected from its architecture, {'; '.join(faults)}")


def _hollow(config: Mapping[str, Any], dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior without weights: filling them with random numbers would take longer than reading them."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        return folder.build(dict(config), dtype=dtype)
