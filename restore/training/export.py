"""Export of a DDPM as a pipeline of diffusers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restore.errors import UsageError
from restore.networks.unet2d import UNet2D
from restore.priors.prior import Prior
from restore.wording import called

SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
VARIANCES = {"fixed-small": "fixed_small", "fixed-large": "fixed_large", "learned": "learned_range"}


def check(config: Mapping[str, Any]) -> None:
    """Check before training that diffusers has a pipeline for this config.

    Raises: UsageError if it has none.
    """
    network = config["network"]
    if "codec" in config or "classes" in config:
        raise UsageError(
            f"{called('diffusers')} is for priors without {called('latent')} and {called('labels')}: diffusers knows neither"
        )
    if config["family"] != "ddpm" or network["type"] != "unet2d" or network.get("patch", 1) != 1:
        raise UsageError(
            f"only a ddpm with a U-Net of diffusers can be exported: give {called('family', 'ddpm')} and "
            f"{called('network', 'unet-tiny')}, unet-small or unet-base, not {config['family']} and {network['type']}"
        )


def to_diffusers(prior: Prior, config: Mapping[str, Any], size: int, folder: Path) -> None:
    """Write a folder for `diffusers.DDPMPipeline.from_pretrained(folder)`.

    Args:
        config: the model config of `prior`.
        size: side in pixels of the pictures that the pipeline samples.

    Raises: UsageError as `check` does.
    """
    check(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Importing diffusers raises deprecation warnings of its dependencies.
        from diffusers import DDPMPipeline, DDPMScheduler

    make_pipeline: Any = DDPMPipeline
    make_scheduler: Any = DDPMScheduler
    steps, settings = config["prior"].get("steps", 1000), config["prior"]
    scheduler = make_scheduler(
        num_train_timesteps=steps,
        beta_start=1e-4 * 1000 / steps,
        beta_end=0.02 * 1000 / steps,
        beta_schedule=SCHEDULES[settings["schedule"]],
        variance_type=VARIANCES[settings["variance"]],
        prediction_type=settings["prediction"],
    )
    network = next(part for part in prior.modules() if isinstance(part, UNet2D)).network
    network.register_to_config(sample_size=size)
    make_pipeline(unet=network, scheduler=scheduler).save_pretrained(folder)
