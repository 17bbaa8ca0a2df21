"""From a name to a prior: `photo`, a folder, a Hub id, or `scheme:id`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from restore.errors import PriorError, suggest
from restore.priors import folder as model_folder
from restore.priors.ddpm import DDPM
from restore.priors.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger("restore")
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
    from diffusers import DDPMScheduler, UNet2DModel

    root = Path(name)
    parts = root.is_dir() and (root / "unet").is_dir()
    try:
        network = UNet2DModel.from_pretrained(
            name, subfolder="unet" if parts or not root.is_dir() else None, local_files_only=local_files_only
        )
        scheduler = DDPMScheduler.from_pretrained(
            name, subfolder="scheduler" if parts or not root.is_dir() else None, local_files_only=local_files_only
        )
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


def prior(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """The prior a person named: a bundled one, a folder, a Hub id, or `scheme:id` of a plugin.

    Raises: PriorError if it is missing; UsageError for an unknown scheme.
    """
    from restore.plugins import load as load_plugins

    scheme, colon, rest = name.partition(":")
    if colon and not Path(name).exists():
        return load_plugins().prior(scheme)(rest, dtype=dtype, local_files_only=local_files_only)
    if name in BUNDLED or ((Path(name) / model_folder.CONFIG).is_file() and (Path(name) / model_folder.WEIGHTS).is_file()):
        return from_folder(name, dtype=dtype)
    if Path(name).is_dir() or ("/" in name and not name.startswith((".", "/"))):
        return from_diffusers(name, dtype=dtype, local_files_only=local_files_only)
    raise PriorError(f"prior {name!r} is no bundled prior, folder or Hub id; {suggest(name, BUNDLED)}")
