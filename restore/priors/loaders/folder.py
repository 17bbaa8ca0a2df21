"""Model folders: `config.json`, `model.safetensors` and a model card, `README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from restore import bundled
from restore.errors import PriorError
from restore.files import write_atomically
from restore.priors.loaders.build import FAMILIES, NETWORKS, build
from restore.priors.loaders.fit import check_weights
from restore.priors.loaders.hub import read_json
from restore.priors.loaders.weights import read_shapes, read_weights
from restore.priors.prior import Prior

__all__ = ["CARD", "CONFIG", "FAMILIES", "NETWORKS", "WEIGHTS", "build", "channels_last", "load", "save"]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
NETWORK = "network."  # What the names of a prior's weights begin with.


def save(folder: Path, config: dict[str, Any], prior: Prior, card: str, *, dtype: torch.dtype = torch.float16) -> None:
    """Write a model folder; each file is replaced whole.

    Args:
        card: text of README.md.
        dtype: of the stored weights. float16 halves the file; its 11 significant bits cost no measurable quality.

    Raises: OSError if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().to("cpu", dtype).contiguous() for name, value in prior.state_dict().items()}
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path, metadata={"format": "pt"}))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    write_atomically(folder / CARD, card.encode())


def load(folder: Path, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior in a model folder, in evaluation mode.

    Raises: PriorError if a file is missing or damaged, or weights do not fit the config; OutOfMemoryError.
    """
    source = str(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise PriorError(f"{folder}: no {name}; a model folder holds {CONFIG} and {WEIGHTS}")
    bundled.check(folder / WEIGHTS)
    config = read_json(folder / CONFIG, source)
    shapes = read_shapes(folder / WEIGHTS, source)
    # Names without the prefix are of no network: the slash makes sure that they are unexpected.
    named = {name.removeprefix(NETWORK) if name.startswith(NETWORK) else f"/{name}": value for name, value in shapes.items()}
    check_weights(config, named, source)
    prior = build(config, dtype=dtype, source=source)
    prior.load_state_dict(read_weights(folder / WEIGHTS, source))
    return channels_last(prior.eval().requires_grad_(False))


def channels_last(prior: Prior) -> Prior:
    """The prior in channels-last memory format: convolutions take a third less time, on CPUs and on tensor cores.

    Networks that are slower in it have an attribute `channels_last` that is False; these stay as they are.
    """
    if all(getattr(part, "channels_last", True) for part in prior.modules()):
        prior.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form.
    return prior
