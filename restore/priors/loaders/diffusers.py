"""Unconditional priors in diffusers layout: a `UNet2DModel`, and the scheduler that says how it was trained."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch

from restore.errors import PriorError
from restore.priors.families.ddpm import Prediction
from restore.priors.loaders.checkpoint import Checkpoint, assemble
from restore.priors.loaders.hub import Files, read_json
from restore.priors.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor, nn

NETWORK = "UNet2DModel"
VE_SCHEDULER = "ScoreSdeVeScheduler"
# Samplers of one and the same discrete variance-preserving chain: they differ in how they walk it, not in its table.
CLIPPING = ("DDPMScheduler", "DDPMParallelScheduler", "DDIMScheduler", "DDIMParallelScheduler")  # By default.
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
ELSEWHERE = ("vae", "vqvae", "movq", "text_encoder", "image_encoder", "tokenizer")


def from_diffusers(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """A DDPM, DDIM, PNDM or Score-SDE-VE pipeline, or a `UNet2DModel` with a scheduler's config beside it.

    Prediction type, alphas and clipping are read from the scheduler's config, so the network is asked as it was trained.

    Args:
        name: a folder or a Hub id.

    Raises: PriorError if it cannot be found (offline, say), is conditional, works on latents, or is of another kind.
    """
    return assemble(translate(Files(name, local_files_only=local_files_only)), dtype=dtype)


def translate(files: Files) -> Checkpoint:
    """As `from_diffusers`, in the terms of a model folder."""
    name = files.name
    _refuse_parts(name, files.get("model_index.json"))
    config_path = files.need("config of a network", "unet/config.json", "config.json")
    config = _checked(name, read_json(config_path))
    scheduler = _scheduler(files)
    place = "unet/" if config_path.parent.name == "unet" else ""
    weights = files.need("weights", *(f"{place}diffusion_pytorch_model.{kind}" for kind in ("safetensors", "bin")))
    exploding = scheduler["_class_name"] == VE_SCHEDULER
    prior = _levels(scheduler) if exploding else _asked(name, scheduler, config)
    network: Any = _network(name, config_path.parent, weights)
    words = {key: value for key, value in network.config.items() if not key.startswith("_")}
    size = config.get("sample_size")
    return Checkpoint(
        config={
            "family": "ve" if exploding else "ddpm",
            "network": {"type": "diffusers", "config": words, "scores": exploding},
            "prior": prior,
            **({"size": size} if isinstance(size, int) else {}),
        },
        weights={f"network.{key}": value for key, value in network.state_dict().items()},
        origin=f"model {name} in diffusers layout ({scheduler['_class_name']})",
    )


def alphas_cumprod(name: str, scheduler: dict[str, Any]) -> Tensor:
    """abar_t (T,) of a scheduler's config, falling. Raises PriorError for a table that is none."""
    with _quiet():
        from diffusers import DDPMScheduler

        try:
            chain: Any = DDPMScheduler(**{key: scheduler[key] for key in TABLE if key in scheduler})
        except (NotImplementedError, TypeError, ValueError) as error:
            raise PriorError(f"prior {name}: its scheduler's table of betas cannot be made: {error}") from None
    # A chain rescaled to end in pure noise has abar_T = 0, a level no x0 + sigma z can have.
    table: Tensor = chain.alphas_cumprod[chain.alphas_cumprod > 0]
    if len(table) < 2 or not bool((table.diff() < 0).all()):
        raise PriorError(
            f"prior {name}: its scheduler's alphas do not fall from step to step, as those of a diffusion chain do"
        )
    return table


def _levels(scheduler: dict[str, Any]) -> dict[str, Any]:
    """Levels of a Score-SDE-VE chain, which sees pictures in [0, 1], in units of [-1, 1] pictures."""
    return {name: 2 * float(scheduler[name]) for name in ("sigma_min", "sigma_max")}


def _asked(name: str, scheduler: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """How the network of a discrete chain is asked."""
    prediction = scheduler.get("prediction_type", "epsilon")
    if scheduler.get("predict_epsilon") is False:  # How it was said before there were three.
        prediction = "sample"
    if prediction not in get_args(Prediction):
        known = ", ".join(get_args(Prediction))
        raise PriorError(f"prior {name}: its network predicts {prediction!r}, which is not known here; known: {known}")
    variance = VARIANCES.get(scheduler.get("variance_type", ""), "fixed-small")
    if variance == "learned" and config["out_channels"] != 2 * config["in_channels"]:
        raise PriorError(
            f"prior {name}: its scheduler says the variance is learned, its network has no second half to answer it"
        )
    clip = None
    if scheduler.get("thresholding"):
        clip = 1.0  # Dynamic thresholding clips too, at a percentile that is a matter of the sampler.
    elif scheduler.get("clip_sample", scheduler["_class_name"] in CLIPPING):
        clip = float(scheduler.get("clip_sample_range", 1.0))
    table = alphas_cumprod(name, scheduler).double().tolist()
    return {"prediction": prediction, "variance": variance, "clip": clip, "table": table}


def _refuse_parts(name: str, index: Path | None) -> None:
    """Refuses pipelines whose network does not look at pictures alone."""
    parts = read_json(index) if index is not None else {}
    found = [part for part in ELSEWHERE if parts.get(part)]
    if found:
        kind = parts.get("_class_name", "pipeline")
        raise PriorError(
            f"prior {name} is a {kind} with {' and '.join(found)}: it works on latents or is conditional; "
            "give an unconditional one that works on pictures"
        )


def _checked(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The config of a network that can be asked. Raises PriorError for all others."""
    kind = config.get("_class_name")
    if kind != NETWORK:
        text = " (conditional by cross-attention)" if kind == "UNet2DConditionModel" else ""
        raise PriorError(f"prior {name}: its network is a {kind}{text}; only an unconditional {NETWORK} can be used")
    if config.get("num_class_embeds") is not None or config.get("class_embed_type") is not None:
        classes = config.get("num_class_embeds") or config["class_embed_type"]
        raise PriorError(f"prior {name} is class-conditional ({classes} classes); give an unconditional one")
    if config.get("time_embedding_type") == "learned":
        raise PriorError(f"prior {name}: its network knows whole time steps only; one with a continuous time is needed")
    picture, answer = config.get("in_channels", 3), config.get("out_channels", 3)
    if picture not in (1, 3) or answer not in (picture, 2 * picture):
        raise PriorError(
            f"prior {name}: its network takes {picture} channels and answers {answer}; pictures have 1 or 3, "
            "answers as many or, with a learned variance, twice as many"
        )
    return {"block_out_channels": (224, 448, 672, 896), **config, "in_channels": picture, "out_channels": answer}


def _scheduler(files: Files) -> dict[str, Any]:
    what = "scheduler config (save it beside the network's, or give the pipeline's own folder)"
    path = files.need(what, "scheduler/scheduler_config.json", "scheduler_config.json")
    scheduler = {"_class_name": None, **read_json(path)}
    kind = scheduler["_class_name"]
    if kind == VE_SCHEDULER:
        return {"sigma_min": 0.01, "sigma_max": 1348.0, **scheduler}  # diffusers' defaults.
    if kind not in DISCRETE:
        raise PriorError(
            f"prior {files.name}: its scheduler is a {kind}; known are {VE_SCHEDULER} and those of a discrete chain "
            f"(DDPMScheduler, DDIMScheduler, PNDMScheduler and others of its samplers)"
        )
    return scheduler


def _network(name: str, folder: Path, weights: Path) -> nn.Module:
    """The trained network. Raises PriorError if weights are missing, damaged or of another network."""
    with _quiet():
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


class _quiet(warnings.catch_warnings):  # noqa: N801  # A context manager, named as they are.
    """diffusers' talk with its own dependencies is not for the person who loads a model."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
