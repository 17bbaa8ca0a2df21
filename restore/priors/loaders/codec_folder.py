"""Codecs in folders of diffusers' layout: `config.json` and `diffusion_pytorch_model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from restore.errors import PriorError
from restore.files import write_atomically
from restore.priors.loaders.hub import ModelFiles, read_json
from restore.priors.loaders.pipelines.codecs import DiffusersCodec, codec_of
from restore.priors.loaders.pipelines.parts import Parts, quiet

CONFIG, WEIGHTS, CARD = "config.json", "diffusion_pytorch_model.safetensors", "README.md"


def build(config: Mapping[str, Any]) -> Any:
    """The untrained network of a config of diffusers with `_class_name`."""
    with quiet():
        import diffusers

        arguments = {name: value for name, value in config.items() if not name.startswith("_")}
        return getattr(diffusers, config["_class_name"])(**arguments)


def save(folder: Path, network: Any, card: str | None = None) -> None:
    """Write a codec's network, weights first, and a card if there is one; each file is replaced whole. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().float().cpu().contiguous() for name, value in network.state_dict().items()}
    config = {"_class_name": type(network).__name__, **network.config}
    config = {name: value for name, value in config.items() if name not in ("_name_or_path", "_use_default_values")}
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path, metadata={"format": "pt"}))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    if card is not None:
        write_atomically(folder / CARD, card.encode())


def load(folder: Path, **settings: Any) -> DiffusersCodec:
    """The codec in a folder, in evaluation mode.

    Args:
        settings: of `DiffusersCodec`.

    Raises: PriorError if it is missing, damaged or no codec; OutOfMemoryError.
    """
    folder = folder.resolve()
    if not (folder / CONFIG).is_file():
        raise PriorError(f"{folder}: no {CONFIG}; a codec's folder holds {CONFIG} and {WEIGHTS}")
    kind = read_json(folder / CONFIG).get("_class_name")
    parts = Parts(ModelFiles(str(folder.parent)), {folder.name: ["diffusers", kind]}, torch.float32)
    return codec_of(parts, folder.name, **settings)
