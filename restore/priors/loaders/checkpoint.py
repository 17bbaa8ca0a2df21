"""A checkpoint of any origin as a config and weights: what a model folder holds."""

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
    """A prior as a config for `folder.build` and the weights of its network.

    Attributes:
        config: as in a model folder.
        weights: the network's state dict.
        origin: where the checkpoint came from, for the model card.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    origin: str


def build_prior(checkpoint: Checkpoint, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior of a checkpoint, in evaluation mode. It shares the checkpoint's tensors.

    Args:
        dtype: what the network computes in; None to choose by the hardware (see `NetworkPrior`).
    """
    prior = _without_weights(checkpoint.config, dtype)
    prior.load_state_dict({f"network.{name}": value for name, value in checkpoint.weights.items()}, assign=True)
    return folder.channels_last(prior.eval().requires_grad_(False))


def check_weights(checkpoint: Checkpoint, source: str) -> None:
    """Compare names and shapes of the weights with those of the network that the config describes.

    Args:
        checkpoint: its tensors may be on the meta device.
        source: the checkpoint's name in errors.

    Raises: PriorError that counts missing tensors, unexpected ones and those of another shape, and names the first of each.
    """
    expected = {
        name.removeprefix("network."): value for name, value in _without_weights(checkpoint.config).state_dict().items()
    }
    found = checkpoint.weights
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    reshaped = sorted(name for name in expected.keys() & found.keys() if expected[name].shape != found[name].shape)
    faults = [
        f"{len(names)} {what} ({names[0]} first)"
        for names, what in ((missing, "are missing"), (unexpected, "are unexpected"))
        if names
    ]
    if reshaped:
        shapes = f"expected {tuple(expected[reshaped[0]].shape)}, found {tuple(found[reshaped[0]].shape)}"
        faults.append(f"{len(reshaped)} have another shape ({reshaped[0]} first: {shapes})")
    if faults:
        raise PriorError(f"{source}: its architecture has {len(expected)} tensors, of which {'; '.join(faults)}")


def _without_weights(config: Mapping[str, Any], dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior with its parameters on the meta device: initializing them would take longer than reading the weights."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        return folder.build(dict(config), dtype=dtype)
