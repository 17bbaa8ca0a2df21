"""Loaders of priors, one a scheme."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from restore.errors import PriorError
from restore.priors import folder as model_folder
from restore.priors.ddpm import DDPM
from restore.priors.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor, nn

BUNDLED = {"photo": Path(__file__).parent / "photo"}


def from_folder(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """A model folder as `restore train` writes it, or the name of a bundled one.

    Raises: PriorError if it is missing or broken.
    """
    return model_folder.load(BUNDLED.get(name, Path(name)), dtype=dtype)


def from_diffusers(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """An unconditional DDPM or DDIM pipeline in diffusers layout: a folder or a Hub id.

    Prediction type and alphas are read from the scheduler's config, so they are the ones the network was trained with.

    Raises: PriorError if it cannot be found (offline, say) or is no unconditional `UNet2DModel`.
    """
    root = Path(name)
    parts = not root.is_dir() or (root / "unet").is_dir()
    place: dict[str, Any] = {"local_files_only": local_files_only}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers' talk with its own dependencies is not for the person who loads a model.
        from diffusers import DDPMScheduler, UNet2DModel

        try:
            network = UNet2DModel.from_pretrained(name, subfolder="unet" if parts else None, **place)
            scheduler = DDPMScheduler.from_pretrained(name, subfolder="scheduler" if parts else None, **place)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise PriorError(
                f"prior diffusers:{name} cannot be loaded: {first}; give a folder in diffusers layout or a Hub id"
            ) from None
    return DDPM(
        _Sample(network.eval().requires_grad_(False)),
        scheduler.alphas_cumprod,
        prediction=scheduler.config.prediction_type,
        channels=network.config.in_channels,
        multiple_of=2 ** (len(network.config.block_out_channels) - 1),
        dtype=dtype,
    )


class _Sample(torch.nn.Module):
    """diffusers networks answer a small object; the prior wants its tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.network(x, time).sample
