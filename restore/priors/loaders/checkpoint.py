"""A checkpoint of any origin as a config and weights: what a model folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from restore.priors.loaders.build import build
from restore.priors.loaders.folder import channels_last
from restore.priors.prior import Prior


@dataclass(frozen=True)
class Checkpoint:
    """A prior as a config for `build` and the weights of its network.

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
    return channels_last(prior.eval().requires_grad_(False))


def _without_weights(config: Mapping[str, Any], dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior with its parameters on the meta device: initializing them would take longer than reading the weights."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        return build(dict(config), dtype=dtype)
