"""Model folders: `config.json`, `model.safetensors`, a card, `README.md`, and for priors on latents `codec/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from restore import bundled
from restore.errors import PriorError
from restore.files import write_atomically
from restore.priors.families.networked import NetworkPrior
from restore.priors.latent.codec import Codec
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders import codec_folder
from restore.priors.loaders.build import FAMILIES, NETWORKS, build
from restore.priors.loaders.fit import check_weights
from restore.priors.loaders.hub import read_json
from restore.priors.loaders.pipelines.labels import Labels
from restore.priors.loaders.weights import read_shapes, read_weights
from restore.priors.prior import Prior

__all__ = [
    "CARD",
    "CODEC",
    "CONFIG",
    "FAMILIES",
    "NETWORKS",
    "WEIGHTS",
    "build",
    "channels_last",
    "completed",
    "load",
    "load_alone",
    "save",
]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
CODEC = "codec"  # A folder inside, for priors on latents.
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
    """The prior in a model folder, in evaluation mode, with its codec and conditions if it has any.

    Raises: PriorError if a file is missing or damaged, or weights do not fit the config; OutOfMemoryError.
    """
    prior = load_alone(folder, dtype=dtype)
    config = read_json(folder / CONFIG, str(folder))
    codec = codec_folder.load(folder / CODEC, **config["codec"]) if "codec" in config else None
    return completed(prior, config, codec).eval().requires_grad_(False)


def completed(prior: Prior, config: Mapping[str, Any], codec: Codec | None) -> Prior:
    """A prior with what its config says beside its network: classes that it is told, and the codec of its latents.

    Raises: PriorError if the codec has another number of channels.
    """
    if "classes" in config:
        told = config["classes"]
        names = {name.strip().lower(): number for number, name in enumerate(told["names"])}
        count = len(told["names"])
        labels = Labels(count, nothing=count if told["nothing"] else None, scale=told["scale"], names=names)
        assert isinstance(prior, NetworkPrior)
        prior = Conditional(prior, labels)
    if codec is None:
        return prior
    if codec.channels != prior.channels:
        raise PriorError(f"the codec has latents of {codec.channels} channels, the prior takes {prior.channels}")
    return Latent(prior, codec)


def load_alone(folder: Path, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior of a model folder's config and weights alone; raises the same errors as `load`."""
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
