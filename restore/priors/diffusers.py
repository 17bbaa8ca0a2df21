"""Unconditional priors in diffusers layout: a `UNet2DModel`, and the scheduler that says how it was trained."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from restore.errors import PriorError
from restore.priors.ddpm import DDPM
from restore.priors.hub import Files, read_json
from restore.priors.prior import Prior
from restore.priors.sde import VE

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


def from_diffusers(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """A DDPM, DDIM, PNDM or Score-SDE-VE pipeline, or a `UNet2DModel` with a scheduler's config beside it.

    Prediction type, alphas and clipping are read from the scheduler's config, so the network is asked as it was trained.

    Args:
        name: a folder or a Hub id.

    Raises: PriorError if it cannot be found (offline, say), is conditional, works on latents, or is of another kind.
    """
    return read(Files(name, local_files_only=local_files_only), dtype=dtype)


def read(files: Files, *, dtype: torch.dtype = torch.float32) -> Prior:
    """As `from_diffusers`, from the files themselves."""
    name = files.name
    _refuse_parts(name, files.get("model_index.json"))
    config_path = files.need("config of a network", "unet/config.json", "config.json")
    config = _checked(name, read_json(config_path))
    scheduler = _scheduler(files)
    place = "unet/" if config_path.parent.name == "unet" else ""
    weights = files.need("weights", *(f"{place}diffusion_pytorch_model.{kind}" for kind in ("safetensors", "bin")))
    network = _network(name, config_path.parent, weights)
    side = config.get("sample_size") or 0
    sizes: dict[str, Any] = {
        "channels": config["in_channels"],
        "multiple_of": 2 ** (len(config["block_out_channels"]) - 1),
        # Attention looks everywhere: as far as it did in training.
        "context": max(64, (side if isinstance(side, int) else max(side)) // 2),
    }
    if scheduler["_class_name"] == VE_SCHEDULER:
        # These networks see pictures in [0, 1], and levels in those units.
        low, high = 2 * float(scheduler["sigma_min"]), 2 * float(scheduler["sigma_max"])
        return VE(UnitRange(Sample(network)), sigma_min=low, sigma_max=high, dtype=dtype, **sizes)
    return DDPM(Sample(network), alphas_cumprod(scheduler), dtype=dtype, **_asked(scheduler, config), **sizes)


class Sample(torch.nn.Module):
    """diffusers networks answer a small object; the prior wants its tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.network(x, time).sample


class UnitRange(torch.nn.Module):
    """A score over [0, 1] pictures u as one over x = 2 u - 1: sigma_x = 2 sigma_u, so the gradient in x is half that in u."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.network((x + 1) / 2, sigma / 2) / 2


def alphas_cumprod(scheduler: dict[str, Any]) -> Tensor:
    """abar_t (T,) of a scheduler's config, falling. Raises PriorError for a table that is none."""
    with _quiet():
        from diffusers import DDPMScheduler

        try:
            chain: Any = DDPMScheduler(**{key: scheduler[key] for key in TABLE if key in scheduler})
        except (NotImplementedError, TypeError, ValueError) as error:
            raise PriorError(f"the scheduler's table of betas cannot be made: {error}") from None
    # A chain rescaled to end in pure noise has abar_T = 0, a level no x0 + sigma z can have.
    table: Tensor = chain.alphas_cumprod[chain.alphas_cumprod > 0]
    if len(table) < 2 or not bool((table.diff() < 0).all()):
        raise PriorError("the scheduler's table of alphas does not fall from step to step; it is of no diffusion chain")
    return table


def _asked(scheduler: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """How the network of a discrete chain is asked."""
    prediction = scheduler.get("prediction_type", "epsilon")
    if scheduler.get("predict_epsilon") is False:  # How it was said before there were three.
        prediction = "sample"
    asked = {"prediction": prediction, "variance": VARIANCES.get(scheduler.get("variance_type", ""), "fixed-small")}
    if asked["variance"] == "learned" and config["out_channels"] != 2 * config["in_channels"]:
        raise PriorError("the scheduler says the variance is learned, but the network has no second half that answers it")
    # Dynamic thresholding clips too, at a percentile that is a matter of the sampler.
    clips = scheduler.get("clip_sample", scheduler["_class_name"] in CLIPPING)
    if scheduler.get("thresholding"):
        asked["clip"] = 1.0
    elif clips:
        asked["clip"] = float(scheduler.get("clip_sample_range", 1.0))
    return asked


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
