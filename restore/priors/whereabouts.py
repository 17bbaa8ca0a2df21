"""The device of a module, offloaded ones included."""

from __future__ import annotations

import torch
from torch import nn


def is_offloaded(module: nn.Module) -> bool:
    """Whether a module's weights come from elsewhere when they are needed."""
    return any(weights.device.type == "meta" for weights in module.parameters()) and device_of(module).type != "meta"


def device_of(module: nn.Module) -> torch.device:
    """The device that a module computes on: that of its weights, or for offloaded ones that which they come to; the CPU for a
    module without weights."""
    devices = {weights.device for weights in module.parameters()}
    for device in devices:
        if device.type != "meta":
            return device
    for part in module.modules():
        hook = getattr(part, "_hf_hook", None)  # Accelerate's.
        told = getattr(hook, "execution_device", None)
        if told is not None:
            return torch.device(told)
    return next(iter(devices), torch.device("cpu"))
