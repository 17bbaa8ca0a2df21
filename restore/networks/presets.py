"""The networks of `restore train --network`: each is the `network` of a model config, without its channels."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Bias-free and convolutional: local, equivariant to contrast. For photographs of any size.
    "small": {"type": "residual-unet", "widths": [32, 64, 128], "blocks": 1, "patch": 2},
    "base": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": 2, "patch": 2},
    "deep": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": [3, 2, 3], "patch": 2},
    "deep-cascade": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": [3, 2, 3], "patch": 2, "cascade": True},
    "deeper": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": [4, 5, 8], "patch": 2},
    "large": {"type": "residual-unet", "widths": [96, 192, 384], "blocks": 4, "patch": 2},
    # With biases: zero padding and biases encode the position, so these can sample whole small pictures. Fast on CPUs.
    "whole-small": {"type": "residual-unet", "widths": [64, 128], "blocks": 2, "patch": 2, "constants": True},
    "whole-base": {"type": "residual-unet", "widths": [96, 192, 192], "blocks": 3, "patch": 2, "constants": True},
    # diffusers' U-Nets, with normalisation and attention: the usual choice on a GPU.
    "unet-tiny": {"type": "unet2d", "widths": [32, 64], "blocks": 1, "attention": [1]},
    "unet-small": {"type": "unet2d", "widths": [64, 128, 128], "blocks": 2, "attention": [2]},
    "unet-base": {"type": "unet2d", "widths": [128, 256, 256, 256], "blocks": 2, "attention": [1, 2]},
}
