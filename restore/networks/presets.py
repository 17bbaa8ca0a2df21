"""Networks by name, as `restore train --network` knows them; each is a config for `priors/folder.py` but for its channels."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Bias-free: what they know is local and holds at any contrast. For photographs of any size.
    "small": {"type": "residual-unet", "widths": [32, 64, 128], "blocks": 1, "patch": 2},
    "base": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": 2, "patch": 2},
    "deep": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": [3, 2, 3], "patch": 2},
    "deeper": {"type": "residual-unet", "widths": [64, 128, 256], "blocks": [4, 5, 8], "patch": 2},
    "large": {"type": "residual-unet", "widths": [96, 192, 384], "blocks": 4, "patch": 2},
    # With constants: they know where in the picture they are, and draw small pictures from nothing. Fast on CPUs.
    "whole-small": {"type": "residual-unet", "widths": [64, 128], "blocks": 2, "patch": 2, "constants": True},
    "whole-base": {"type": "residual-unet", "widths": [96, 192, 192], "blocks": 3, "patch": 2, "constants": True},
    # diffusers' U-Nets, with normalisation and attention: the usual choice where there is a GPU.
    "unet-tiny": {"type": "unet2d", "widths": [32, 64], "blocks": 1, "attention": [1]},
    "unet-small": {"type": "unet2d", "widths": [64, 128, 128], "blocks": 2, "attention": [2]},
    "unet-base": {"type": "unet2d", "widths": [128, 256, 256, 256], "blocks": 2, "attention": [1, 2]},
}
