"""Model folders: bundled, on disk or on the Hub."""

from __future__ import annotations

from pathlib import Path

import torch

from restore.errors import PriorError
from restore.priors.loaders import codec_folder, diffusers
from restore.priors.loaders import folder as model_folder
from restore.priors.loaders.checkpoint import Checkpoint, build_prior
from restore.priors.loaders.hub import ModelFiles, read_json
from restore.priors.loaders.pipelines.load import loader_of
from restore.priors.prior import Prior

BUNDLED = {"photo": Path(__file__).parent.parent / "photo"}


def from_folder(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """The prior in a model folder as `restore train` writes it, or a bundled one.

    Args:
        name: a folder, or the name of a bundled prior.
        dtype: what the network computes in; None to choose by the hardware (see `NetworkPrior`).
        local_files_only: not used; every loader takes it.

    Raises: PriorError if it is missing or damaged.
    """
    return model_folder.load(BUNDLED.get(name, Path(name)), dtype=dtype)


def from_files(files: ModelFiles, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior in a model folder, or in a pipeline of diffusers.

    Args:
        dtype: as for `from_folder`.

    Raises: PriorError if it is missing, damaged or of another kind.
    """
    own = _model_folder(files)
    if own is not None:
        return model_folder.load(own, dtype=dtype)
    pipeline = loader_of(files)
    return build_prior(diffusers.read_checkpoint(files), dtype=dtype) if pipeline is None else pipeline(dtype)


def read_checkpoint(files: ModelFiles) -> Checkpoint:
    """Config and weights of the prior that `from_files` returns; raises the same errors."""
    own = _model_folder(files)
    if own is None:
        return diffusers.read_checkpoint(files)
    config = read_json(own / model_folder.CONFIG)
    if "codec" in config:
        raise PriorError(f"prior {files.name} is one on latents: it loads as it is, and is not converted")
    weights = model_folder.load_alone(own).state_dict()
    return Checkpoint(
        config=config,
        weights={name.removeprefix("network."): value for name, value in weights.items()},
        origin=f"model folder {Path(files.name).name}",
    )


def _model_folder(files: ModelFiles) -> Path | None:
    """The folder, if the files are a model folder of this project; None otherwise."""
    config = files.get(model_folder.CONFIG)
    if config is None or "family" not in read_json(config):
        return None
    # Fetched into the same folder as the config.
    files.get(model_folder.WEIGHTS)
    if "codec" in read_json(config):
        for name in (codec_folder.CONFIG, codec_folder.WEIGHTS):
            files.get(f"{model_folder.CODEC}/{name}")
    return config.parent
