"""Unconditional pipelines of diffusers: a `UNet2DModel`, and the scheduler config that says how it was trained."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch

from restore.errors import PriorError
from restore.priors.families.ddpm import Prediction
from restore.priors.loaders.checkpoint import Checkpoint, build_prior
from restore.priors.loaders.hub import ModelFiles, read_json
from restore.priors.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor, nn

NETWORK = "UNet2DModel"
VE_SCHEDULER = "ScoreSdeVeScheduler"
# Schedulers of a discrete variance-preserving chain. They differ in the sampler, not in alphas_cumprod; the first clip D unless
# the config says otherwise.
CLIPPING = (
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DDIMScheduler",
    "DDIMParallelScheduler",
)
DISCRETE = (
    *CLIPPING,
    "PNDMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
)
TABLE = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
VARIANCES = {"fixed_large": "fixed-large", "learned_range": "learned"}
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
    return build_prior(read_checkpoint(ModelFiles(name, local_files_only=local_files_only)), dtype=dtype)


def read_checkpoint(files: ModelFiles) -> Checkpoint:
    """Config and weights of the prior that `from_diffusers` returns; raises the same errors."""
    name = files.name
    _refuse_parts(name, files.get("model_index.json"))
    config_path = files.need("config of a network", "unet/config.json", "config.json")
    config = _checked(name, read_json(config_path))
    scheduler = _scheduler(files)
    prefix = "unet/" if config_path.parent.name == "unet" else ""
    weights = files.need("weights", *(f"{prefix}diffusion_pytorch_model.{kind}" for kind in ("safetensors", "bin")))
    variance_exploding = scheduler["_class_name"] == VE_SCHEDULER
    prior = _ve_settings(scheduler) if variance_exploding else _ddpm_settings(name, scheduler, config)
    network: Any = _network(name, config_path.parent, weights)
    arguments = {key: value for key, value in network.config.items() if not key.startswith("_")}
    size = config.get("sample_size")
    return Checkpoint(
        config={
            "family": "ve" if variance_exploding else "ddpm",
            "network": {"type": "diffusers", "config": arguments, "scores": variance_exploding},
            "prior": prior,
            **({"size": size} if isinstance(size, int) else {}),
        },
        weights={f"network.{key}": value for key, value in network.state_dict().items()},
        origin=f"model {name} in diffusers layout ({scheduler['_class_name']})",
    )


def alphas_cumprod(name: str, scheduler: dict[str, Any]) -> Tensor:
    """abar_t (T,) of a scheduler config, strictly decreasing.

    Args:
        name: the prior's name in errors.

    Raises: PriorError if diffusers cannot make the table, or it does not decrease.
    """
    with _no_warnings():
        from diffusers import DDPMScheduler

        try:
            chain: Any = DDPMScheduler(**{key: scheduler[key] for key in TABLE if key in scheduler})
        except (NotImplementedError, TypeError, ValueError) as error:
            raise PriorError(f"prior {name}: the betas of its scheduler config cannot be computed: {error}") from None
    # Zero terminal SNR means abar_T = 0 and sigma infinite, which x0 + sigma z cannot represent.
    table: Tensor = chain.alphas_cumprod[chain.alphas_cumprod > 0]
    if len(table) < 2 or not bool((table.diff() < 0).all()):
        raise PriorError(f"prior {name}: alphas_cumprod of its scheduler config do not decrease from step to step")
    return table


def _ve_settings(scheduler: dict[str, Any]) -> dict[str, Any]:
    """sigma_min and sigma_max for pictures in [-1, 1], from a Score-SDE-VE config, whose values are for [0, 1]."""
    return {name: 2 * float(scheduler[name]) for name in ("sigma_min", "sigma_max")}


def _ddpm_settings(name: str, scheduler: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of family ddpm that a scheduler config stands for."""
    prediction = scheduler.get("prediction_type", "epsilon")
    if scheduler.get("predict_epsilon") is False:  # The older key, from before there were three prediction types.
        prediction = "sample"
    if prediction not in get_args(Prediction):
        known = ", ".join(get_args(Prediction))
        raise PriorError(f"prior {name}: prediction type {prediction!r} is not supported; supported: {known}")
    variance = VARIANCES.get(scheduler.get("variance_type", ""), "fixed-small")
    if variance == "learned" and config["out_channels"] != 2 * config["in_channels"]:
        raise PriorError(
            f"prior {name}: its scheduler config has a learned variance, but its network has no second half of output channels"
        )
    clip = None
    if scheduler.get("thresholding"):
        clip = 1.0  # Dynamic thresholding also clips D; its percentile belongs to the sampler.
    elif scheduler.get("clip_sample", scheduler["_class_name"] in CLIPPING):
        clip = float(scheduler.get("clip_sample_range", 1.0))
    table = alphas_cumprod(name, scheduler).double().tolist()
    return {"prediction": prediction, "variance": variance, "clip": clip, "table": table}


def _refuse_parts(name: str, index: Path | None) -> None:
    """Raise PriorError for pipelines that work on latents or are conditional."""
    parts = read_json(index) if index is not None else {}
    found = [part for part in LATENT_OR_CONDITIONAL if parts.get(part)]
    if found:
        kind = parts.get("_class_name", "pipeline")
        raise PriorError(
            f"prior {name} is a {kind} with {' and '.join(found)}: it works on latents or is conditional; "
            "give an unconditional one that works on pictures"
        )


def _checked(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The config of an unconditional network on pictures, with defaults filled in. Raises PriorError for any other."""
    kind = config.get("_class_name")
    if kind != NETWORK:
        text = " (conditional by cross-attention)" if kind == "UNet2DConditionModel" else ""
        raise PriorError(f"prior {name}: its network is a {kind}{text}; only an unconditional {NETWORK} can be used")
    if config.get("num_class_embeds") is not None or config.get("class_embed_type") is not None:
        classes = config.get("num_class_embeds") or config["class_embed_type"]
        raise PriorError(f"prior {name} is class-conditional ({classes} classes); give an unconditional one")
    if config.get("time_embedding_type") == "learned":
        raise PriorError(
            f"prior {name}: its timestep embedding is a table of integer steps; give one with positional or fourier embedding"
        )
    inputs, outputs = config.get("in_channels", 3), config.get("out_channels", 3)
    if inputs not in (1, 3) or outputs not in (inputs, 2 * inputs):
        raise PriorError(
            f"prior {name}: its network has {inputs} input and {outputs} output channels; expected 1 or 3 input channels, and "
            "as many output channels or, with a learned variance, twice as many"
        )
    return {"block_out_channels": (224, 448, 672, 896), **config, "in_channels": inputs, "out_channels": outputs}


def _scheduler(files: ModelFiles) -> dict[str, Any]:
    what = "scheduler config (save it beside the network's, or give the pipeline's own folder)"
    path = files.need(what, "scheduler/scheduler_config.json", "scheduler_config.json")
    scheduler = {"_class_name": None, **read_json(path)}
    kind = scheduler["_class_name"]
    if kind == VE_SCHEDULER:
        return {"sigma_min": 0.01, "sigma_max": 1348.0, **scheduler}  # diffusers' defaults.
    if kind not in DISCRETE:
        raise PriorError(
            f"prior {files.name}: its scheduler is a {kind}; supported are {VE_SCHEDULER} and those of a DDPM "
            f"(DDPMScheduler, DDIMScheduler, PNDMScheduler and others)"
        )
    return scheduler


def _network(name: str, folder: Path, weights: Path) -> nn.Module:
    """The trained network. Raises PriorError if weights are missing, damaged or do not fit the config."""
    with _no_warnings():
        from diffusers import UNet2DModel

        try:
            loaded, info = UNet2DModel.from_pretrained(
                str(folder), use_safetensors=weights.suffix == ".safetensors", local_files_only=True, output_loading_info=True
            )
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, NotImplementedError) as error:
            first = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder="...")
            raise PriorError(f"prior {name}: the weights cannot be read or do not fit: {first}") from None
    if info["missing_keys"]:
        raise PriorError(f"prior {name}: {len(info['missing_keys'])} weights are missing, {info['missing_keys'][0]} first")
    network: nn.Module = loaded.float().eval().requires_grad_(False)
    return network


class _no_warnings(warnings.catch_warnings):  # noqa: N801  # Named as context managers are.
    """Silences warnings, because importing diffusers and loading a model raise deprecation warnings that users cannot fix."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
