"""Checkpoints of score_sde_pytorch: recognised and refused, with a way to convert them."""

from __future__ import annotations

from pathlib import Path

import torch

from restore.errors import PriorError
from restore.priors.loaders import safe_unpickle
from restore.priors.prior import Prior

PARTS = ("optimizer", "model", "ema", "step")  # What its `save_checkpoint` writes.


def from_score_sde(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """Refuse an NCSN++ or DDPM++ checkpoint, with an error that explains how to convert it.

    The network depends on a config that the file does not hold (filters, skips, rescaling, kind of SDE). With a wrong config
    the weights could load without an error and the outputs be meaningless.

    Args:
        name: a file that `save_checkpoint` of score_sde_pytorch wrote.
        dtype, local_files_only: not used; every loader takes them.

    Raises: PriorError, always.
    """
    path = Path(name)
    value = safe_unpickle.read(path)
    tensors = safe_unpickle.named_tensors(value.get("model")) if isinstance(value, dict) else {}
    if not isinstance(value, dict) or not all(part in value for part in PARTS):
        expected = f"a checkpoint of score_sde_pytorch ({', '.join(PARTS)})"
        raise PriorError(f"{path}: expected {expected}, found {safe_unpickle.describe(value)}")
    if not any(key.startswith("all_modules.") for key in tensors):
        expected = "NCSN++ or DDPM++ (all_modules.0 and so on) in a checkpoint of score_sde_pytorch"
        raise PriorError(f"{path}: expected {expected}, found {safe_unpickle.describe(value['model'])}")
    # The first module holds random Fourier frequencies if the network is conditioned on sigma, as those of the VE SDE are.
    fourier = tensors.get("all_modules.0.W")
    variance_exploding = fourier is not None and fourier.ndim == 1
    kind = "NCSN++ for the VE SDE" if variance_exploding else "DDPM++, or NCSN++ conditioned on integer timesteps"
    conversion = (
        "use a converted one, such as google/ncsnpp-celebahq-256 on the Hub, or save it as a UNet2DModel with a "
        "ScoreSdeVeScheduler and give diffusers:FOLDER"
        if variance_exploding
        else "save its network as a UNet2DModel with the scheduler it was trained with and give diffusers:FOLDER"
    )
    weights = sum(tensor.numel() for tensor in tensors.values()) / 1e6
    raise PriorError(
        f"{path} is a checkpoint of score_sde_pytorch ({kind}, {weights:.1f} million weights), which does not say how its "
        f"network is built; {conversion}"
    )
