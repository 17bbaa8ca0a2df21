"""Checkpoints of score_sde_pytorch: told apart, and refused with the way round."""

from __future__ import annotations

from pathlib import Path

import torch

from restore.errors import PriorError
from restore.priors.loaders import safe_unpickle
from restore.priors.prior import Prior

PARTS = ("optimizer", "model", "ema", "step")  # What its `save_checkpoint` writes.


def from_score_sde(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """Refuses an NCSN++ or DDPM++ checkpoint: its network follows from a config that the file does not hold (filters, skips,
    rescaling, kind of SDE), and wrong guesses would load and answer nonsense.

    Raises: PriorError always: what the file is, and how what it holds can be had nevertheless.
    """
    path = Path(name)
    value = safe_unpickle.read(path)
    tensors = safe_unpickle.named_tensors(value.get("model")) if isinstance(value, dict) else {}
    if not isinstance(value, dict) or not all(part in value for part in PARTS):
        expected = f"a checkpoint of score_sde_pytorch ({', '.join(PARTS)})"
        raise PriorError(f"{path}: expected {expected}, found {safe_unpickle.described(value)}")
    if not any(key.startswith("all_modules.") for key in tensors):
        expected = "NCSN++ or DDPM++ (all_modules.0 and so on) in a checkpoint of score_sde_pytorch"
        raise PriorError(f"{path}: expected {expected}, found {safe_unpickle.described(value['model'])}")
    # Random frequencies of the level come first where the network is told sigma itself, as those of VE are.
    fourier = tensors.get("all_modules.0.W")
    exploding = fourier is not None and fourier.ndim == 1
    kind = "NCSN++ for the VE SDE" if exploding else "DDPM++, or NCSN++ told whole steps"
    way = (
        "give a converted one, as google/ncsnpp-celebahq-256 on the Hub is, or save it as a UNet2DModel with a "
        "ScoreSdeVeScheduler and give diffusers:FOLDER"
        if exploding
        else "save its network as a UNet2DModel with the scheduler of its chain and give diffusers:FOLDER"
    )
    weights = sum(tensor.numel() for tensor in tensors.values()) / 1e6
    raise PriorError(
        f"{path} is a checkpoint of score_sde_pytorch ({kind}, {weights:.1f} million weights), which does not say how its "
        f"network is built; {way}"
    )
