"""Unconditional pipelines of diffusers: a `UNet2DModel`, and the scheduler config that says how it was trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from restore.errors import PriorError
from restore.priors.loaders import safe_unpickle
from restore.priors.loaders.checkpoint import Checkpoint, build_prior
from restore.priors.loaders.diffusers_scheduler import VE_SCHEDULER, ddpm_settings, scheduler_of, ve_settings, word
from restore.priors.loaders.diffusers_schema import UNET
from restore.priors.loaders.fields import check_fields, shown
from restore.priors.loaders.fit import check_weights
from restore.priors.loaders.hub import ModelFiles, read_json
from restore.priors.loaders.weights import as_float32, read_shapes, read_weights
from restore.priors.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor

NETWORK = "UNet2DModel"
MODEL_INDEX = "model_index.json"
PARTS = ("unet", "scheduler")
ATTENTION = re.compile(r"(.*\.attentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)")
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
LATENT_OR_CONDITIONAL = ("vae", "vqvae", "movq", "text_encoder", "image_encoder", "tokenizer")


def from_diffusers(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """A DDPM, DDIM, PNDM or Score-SDE-VE pipeline, or a `UNet2DModel` with a scheduler config beside it.

    Prediction type, alphas_cumprod and clipping are those of the scheduler config.

    Args:
        name: a folder or a Hub id.
        dtype: what the network computes in; None to choose by the hardware (see `NetworkPrior`).
        local_files_only: use the cache alone, never the network.

    Raises: PriorError if it cannot be found or fetched, is conditional, works on latents, or has another network or scheduler.
    """
    from restore.priors.loaders.pipelines.load import loader_of

    files = ModelFiles(name, local_files_only=local_files_only)
    pipeline = loader_of(files)
    return build_prior(read_checkpoint(files), dtype=dtype) if pipeline is None else pipeline(dtype)


def read_checkpoint(files: ModelFiles) -> Checkpoint:
    """Config and weights of the prior that `from_diffusers` returns; raises the same errors."""
    name = files.name
    source = f"prior {name}"
    _refuse_parts(name, files.get(MODEL_INDEX))
    config_path = files.need("config of a network", "unet/config.json", "config.json")
    config = _checked(source, read_json(config_path))
    scheduler = scheduler_of(files)
    prefix = "unet/" if config_path.parent.name == "unet" else ""
    weights = files.need("weights", *(f"{prefix}diffusion_pytorch_model.{kind}" for kind in ("safetensors", "bin")))
    variance_exploding = scheduler["_class_name"] == VE_SCHEDULER
    size = config.get("sample_size")
    prior = ve_settings(scheduler) if variance_exploding else ddpm_settings(name, scheduler, config)
    made: dict[str, Any] = {
        "family": "ve" if variance_exploding else "ddpm",
        "network": {"type": "diffusers", "config": config, "scores": variance_exploding},
        "prior": prior,
        **({"size": size} if isinstance(size, int) else {}),
    }
    found = _weights(weights, made, source)
    return Checkpoint(config=made, weights=found, origin=f"model {name} in diffusers layout ({scheduler['_class_name']})")


def _refuse_parts(name: str, index: Path | None) -> None:
    """Raise PriorError for pipelines that work on latents, are conditional, or name code of their own."""
    parts = read_json(index) if index is not None else {}
    check_fields(parts, {}, f"prior {name}: {MODEL_INDEX}", more=True)
    found = [part for part in LATENT_OR_CONDITIONAL if parts.get(part) not in (None, [None, None])]
    kind = parts.get("_class_name", "pipeline")
    if found:
        raise PriorError(
            f"prior {name} is a {word(kind)} with {' and '.join(found)}: it works on latents or is conditional, and is none "
            "of the pipelines that load (docs/models.md has a table of them)"
        )
    # A pipeline or part from a module of the model's own folder is written as [MODULE, CLASS].
    own = [
        part
        for part, value in parts.items()
        if (part == "_class_name" and not isinstance(value, str)) or (part in PARTS and not _of_diffusers(value))
    ]
    if own:
        raise PriorError(f"prior {name}: {MODEL_INDEX} names code of the model's own ({word(own[0])}), which is never run")


def _of_diffusers(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and value[0] == "diffusers" and isinstance(value[1], str)


def _checked(source: str, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an unconditional network on pictures, with the main defaults filled in. Other fields are left out, as
    diffusers does. Raises PriorError for any other network."""
    kind = config.get("_class_name")
    if kind != NETWORK:
        text = " (conditional by cross-attention)" if kind == "UNet2DConditionModel" else ""
        raise PriorError(f"{source}: its network is a {word(kind)}{text}; only an unconditional {NETWORK} can be used")
    if config.get("num_class_embeds") is not None or config.get("class_embed_type") is not None:
        classes = config.get("num_class_embeds") or config["class_embed_type"]
        raise PriorError(f"{source} is class-conditional ({word(str(classes))} classes); give an unconditional one")
    if config.get("time_embedding_type") == "learned":
        raise PriorError(
            f"{source}: its timestep embedding is a table of integer steps; give one with positional or fourier embedding"
        )
    inputs, outputs = config.get("in_channels", 3), config.get("out_channels", 3)
    if inputs not in (1, 3) or outputs not in (inputs, 2 * inputs):
        raise PriorError(
            f"{source}: its network has {shown(inputs)} input and {shown(outputs)} output channels; expected 1 or 3 input "
            "channels, and as many output channels or, with a learned variance, twice as many"
        )
    filled = {"block_out_channels": [224, 448, 672, 896], **config, "in_channels": inputs, "out_channels": outputs}
    check_fields(filled, UNET, f"{source}: config of its network", more=True)
    return {key: value for key, value in filled.items() if key in UNET}


def _weights(path: Path, config: dict[str, Any], source: str) -> dict[str, Tensor]:
    """The state dict of `DiffusersUNet`, float32. Shapes are compared with the config before the values are read.

    Raises: PriorError if the file is damaged or does not fit; OutOfMemoryError.
    """
    if path.suffix == ".safetensors":
        check_weights(config, _renamed(read_shapes(path, source)), source)
        return _renamed(read_weights(path, source))
    stored = safe_unpickle.named_tensors(safe_unpickle.read(path))
    if not stored:
        raise PriorError(f"{source}: {path.name} holds no state dict")
    safe_unpickle.check_tensors(stored, path)
    check_weights(config, _renamed(stored), source)
    return _renamed(as_float32(stored, source))


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names as in `DiffusersUNet`, from those of any version of diffusers.

    Attention had other names at first; fourier features were stored under two names.
    """
    found = {}
    for name, value in weights.items():
        old = ATTENTION.fullmatch(name)
        name = f"{old[1]}.{RENAMED[old[2]]}.{old[3]}" if old else name
        if name != "time_proj.W":
            found[f"network.{name}"] = value
    return found
