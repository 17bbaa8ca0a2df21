"""Loaders of priors of this project's own: model folders, bundled, on disk or on the Hub."""

from __future__ import annotations

from pathlib import Path

import torch

from restore.priors import diffusers
from restore.priors import folder as model_folder
from restore.priors.hub import Files, read_json
from restore.priors.prior import Prior
from restore.priors.translated import assemble

BUNDLED = {"photo": Path(__file__).parent / "photo"}


def from_folder(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """A model folder as `restore train` writes it, or the name of a bundled one.

    Raises: PriorError if it is missing or broken.
    """
    return model_folder.load(BUNDLED.get(name, Path(name)), dtype=dtype)


def from_anywhere(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """A model folder or a model in diffusers layout, whichever it is, on disk or on the Hub.

    Raises: PriorError if it is missing, broken or of another kind.
    """
    files = Files(name, local_files_only=local_files_only)
    config = files.get(model_folder.CONFIG)
    if config is None or "family" not in read_json(config):
        return assemble(diffusers.translate(files), dtype=dtype)
    files.get(model_folder.WEIGHTS)  # Lies beside the config then, or is missed there.
    return model_folder.load(config.parent, dtype=dtype)
