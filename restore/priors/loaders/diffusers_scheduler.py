"""Schedulers of diffusers: what their configs say of how a network was trained."""

from __future__ import annotations

import warnings
from typing import Any, get_args

import torch
from torch import Tensor

from restore.device.memory import is_lack_of_memory
from restore.errors import PriorError
from restore.priors.families.ddpm import Prediction
from restore.priors.loaders.build import last_line
from restore.priors.loaders.diffusers_schema import CHAIN, EXPLODING, NAMED
from restore.priors.loaders.fields import check_fields, shown
from restore.priors.loaders.hub import ModelFiles, read_json

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
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
)
TABLE = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
VARIANCES = {"fixed_large": "fixed-large", "learned_range": "learned"}
NEARLY_NOISE = 2.0**-24  # abar of a last step of pure noise, as in diffusers' Euler schedulers.


def alphas_cumprod(name: str, scheduler: dict[str, Any], *, to_noise: bool = False) -> Tensor:
    """abar_t (T,) of a scheduler config, strictly decreasing.

    Args:
        name: the prior's name in errors.
        to_noise: whether a last step of pure noise (Lin et al. 2024, 2305.08891) is kept as one of almost no picture. If not it
            is left out: from a predicted noise nothing follows of a picture that is not there.

    Raises: PriorError if diffusers cannot make the table, or it does not decrease.
    """
    with no_warnings():
        from diffusers import DDPMScheduler

        try:
            chain: Any = DDPMScheduler(**{key: scheduler[key] for key in TABLE if key in scheduler})
        except (NotImplementedError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
            if is_lack_of_memory(error):
                raise
            raise PriorError(
                f"prior {name}: the betas of its scheduler config cannot be computed: {last_line(error)}"
            ) from None
    # Zero terminal SNR means abar_T = 0 and sigma infinite, which x0 + sigma z cannot represent.
    table: Tensor = chain.alphas_cumprod
    some = table[table > 0]
    ends = to_noise and len(some) == len(table) - 1 > 0
    if ends:
        last = some[-1:].new_tensor([NEARLY_NOISE])
        some = torch.cat([some, torch.where(last < some[-1:], last, some[-1:] / 4)])
    table = some
    if len(table) < 2 or not bool((table.diff() < 0).all()):
        raise PriorError(f"prior {name}: alphas_cumprod of its scheduler config do not decrease from step to step")
    return table


def chain_settings(files: ModelFiles, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of family ddpm, for a pipeline whose network has other than pictures for inputs.

    Args:
        config: `in_channels` and `out_channels` of what is noisy.

    Raises: PriorError for a scheduler of another kind.
    """
    scheduler = scheduler_of(files)
    if scheduler["_class_name"] == VE_SCHEDULER:
        raise PriorError(f"prior {files.name}: its scheduler is a {VE_SCHEDULER}; such a pipeline has that of a DDPM")
    return ddpm_settings(files.name, scheduler, config)


def spacing_of(scheduler: dict[str, Any]) -> str:
    """The rule by which few steps are spaced (`Prior.spacing`): trailing where the config says so. All others go from the
    highest level to the lowest: the leading of diffusers begins below the highest, with noise of the highest."""
    return "trailing" if scheduler.get("timestep_spacing") == "trailing" else "linspace"


def ve_settings(scheduler: dict[str, Any]) -> dict[str, Any]:
    """sigma_min and sigma_max for pictures in [-1, 1], from a Score-SDE-VE config, whose values are for [0, 1]."""
    return {name: 2 * float(scheduler[name]) for name in ("sigma_min", "sigma_max")}


def ddpm_settings(name: str, scheduler: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of family ddpm that a scheduler config stands for."""
    prediction = scheduler.get("prediction_type", "epsilon")
    if scheduler.get("predict_epsilon") is False:  # The older key, from before there were three prediction types.
        prediction = "sample"
    if prediction not in get_args(Prediction):
        known = ", ".join(get_args(Prediction))
        raise PriorError(f"prior {name}: prediction type {shown(prediction)} is not supported; supported: {known}")
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
    table = alphas_cumprod(name, scheduler, to_noise=prediction != "epsilon").double().tolist()
    return {"prediction": prediction, "variance": variance, "clip": clip, "table": table}


def scheduler_of(files: ModelFiles) -> dict[str, Any]:
    what = "scheduler config (save it beside the network's, or give the pipeline's own folder)"
    path = files.need(what, "scheduler/scheduler_config.json", "scheduler_config.json")
    where = f"prior {files.name}: {path.name}"
    scheduler = check_fields({"_class_name": "", **read_json(path)}, NAMED, where, more=True)
    kind = scheduler["_class_name"]
    if kind == VE_SCHEDULER:
        return check_fields({"sigma_min": 0.01, "sigma_max": 1348.0, **scheduler}, EXPLODING, where, more=True)
    if kind not in DISCRETE:
        raise PriorError(
            f"prior {files.name}: its scheduler is a {word(kind)}; supported are {VE_SCHEDULER} and those of a DDPM "
            f"(DDPMScheduler, DDIMScheduler, PNDMScheduler and others)"
        )
    return check_fields(scheduler, CHAIN, where, more=True)


def word(value: Any) -> str:
    return value if isinstance(value, str) and len(value) < 80 and value.isprintable() else shown(value)


class no_warnings(warnings.catch_warnings):  # noqa: N801  # Named as context managers are.
    """Silences warnings, because importing diffusers and loading a model raise deprecation warnings that users cannot fix."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
