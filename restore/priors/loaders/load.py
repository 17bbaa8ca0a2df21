"""Loaders of priors of this project's own: model folders, bundled, on disk or on the Hub."""

from __future__ import annotations

from pathlib import Path

import torch

from restore.priors.loaders import diffusers
from restore.priors.loaders import folder as model_folder
from restore.priors.loaders.checkpoint import Checkpoint, assemble
from restore.priors.loaders.hub import Files, read_json
from restore.priors.prior import Prior

BUNDLED = {"photo": Path(__file__).parent.parent / "photo"}


def from_folder(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """A model folder as `restore train` writes it, or the name of a bundled one.

    Raises: PriorError if it is missing or broken.
    """
    return model_folder.load(BUNDLED.get(name, Path(name)), dtype=dtype)


def from_files(files: Files, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """A model folder or a model in diffusers layout, whichever it is.

    Raises: PriorError if it is missing, broken or of another kind.
    """
    own = _model_folder(files)
    return assemble(diffusers.translate(files), dtype=dtype) if own is None else model_folder.load(own, dtype=dtype)


def translate(files: Files) -> Checkpoint:
    """As `from_files`, in the terms of a model folder."""
    own = _model_folder(files)
    if own is None:
        return diffusers.translate(files)
    weights = model_folder.load(own).state_dict()
    return Checkpoint(
        config=read_json(own / model_folder.CONFIG),
        weights={name.removeprefix("network."): value for name, value in weights.items()},
        origin=f"model folder {Path(files.name).name}",
    )


def _model_folder(files: Files) -> Path | None:
    """Where a model folder of this project lies; None if the files are of another kind."""
    config = files.get(model_folder.CONFIG)
    if config is None or "family" not in read_json(config):
        return None
    files.get(model_folder.WEIGHTS)  # Lies beside the config then, or is missed there.
    return config.parent
