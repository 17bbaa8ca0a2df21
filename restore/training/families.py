"""The options of `restore train` that depend on the family: from options to the model config and the objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from restore.errors import UsageError
from restore.objectives import (
    DDPMObjective,
    EDMObjective,
    FlowObjective,
    HybridObjective,
    NCSNObjective,
    Objective,
    SDEObjective,
    TrajectoryPool,
)
from restore.priors.families.ddpm import DDPM
from restore.priors.families.edm import EDM
from restore.priors.families.flow import Flow
from restore.priors.families.ncsn import NCSN
from restore.priors.families.sde import VE, VP, SubVP
from restore.priors.loaders.folder import FAMILIES
from restore.wording import called

# Family -> its own options with their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    "ddpm": {"prediction": "epsilon", "schedule": "linear", "variance": "fixed-small"},
    "edm": {
        "sigma_mean": -1.2,
        "sigma_std": 1.2,
        "sigma_spread": 0.1,
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "relative": 0.0,
        "pnp_states": 0.0,
        "jpeg_states": 0.0,
    },
    "flow": {},
    "ncsn": {"sigma_min": 0.02, "sigma_max": 100.0, "levels": 200},
    "subvp": {},
    "ve": {"sigma_min": 0.02, "sigma_max": 100.0},
    "vp": {},
}
NAMES = sorted({name for options in OPTIONS.values() for name in options})
PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}


def settings(family: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a family: those given, else their defaults.

    Args:
        given: options by name; None stands for not given.

    Raises: UsageError for an option of another family, if sigma_min is not below sigma_max, or shares exceed 1.
    """
    options = dict(OPTIONS[family])
    for name in NAMES:
        if given.get(name) is None:
            continue
        if name not in options:
            families = ", ".join(other for other, known in OPTIONS.items() if name in known)
            raise UsageError(f"{called(name)} is for {families}; family {family} does not have it")
        options[name] = given[name]
    if options.get("pnp_states", 0) + options.get("jpeg_states", 0) > 1:
        raise UsageError(f"{called('pnp_states')} and {called('jpeg_states')} are shares of the crops, together at most 1")
    if "sigma_min" in options and options["sigma_min"] >= options["sigma_max"]:
        raise UsageError(
            " is not below ".join(called(name, such_as=f"{options[name]:g}") for name in ("sigma_min", "sigma_max"))
        )
    return options


def config(family: str, network: Mapping[str, Any], options: Mapping[str, Any], sigma_start: float | None) -> dict[str, Any]:
    """The model config, as `restore.priors.loaders.folder.build` takes it.

    Args:
        network: the config of the network, with `channels`.
        options: of `settings`.
        sigma_start: noise level at which guided runs start by default; None for the highest.
    """
    network, prior = dict(network), dict[str, Any](sigma_start=sigma_start)
    if family == "ddpm":
        prior |= {
            "prediction": PREDICTIONS[options["prediction"]],
            "schedule": options["schedule"],
            "variance": options["variance"],
        }
        if options["variance"] == "learned":
            network["out_channels"] = 2 * network["channels"]
    if "sigma_min" in options:
        prior |= {"sigma_min": options["sigma_min"], "sigma_max": options["sigma_max"]}
    if family == "ncsn":
        prior["count"] = options["levels"]
    if family == "edm":
        prior["sigma_data"] = 0.5
    return {"family": family, "network": network, "prior": prior}


def only_on_pictures(options: Mapping[str, Any], *, latent: bool, labelled: bool) -> None:
    """Raises UsageError for options of pictures on latents, or of pictures without a class.

    Args:
        options: of `settings`.
    """
    if latent and options.get("variance") == "learned":
        raise UsageError(f"{called('variance', 'learned')} is trained by the likelihood of 8-bit pictures; latents are none")
    for name in ("pnp_states", "jpeg_states"):
        if options.get(name) and (latent or labelled):
            raise UsageError(f"{called(name)} is for priors of pictures without {called('latent')} and {called('labels')}")


def objective(config: Mapping[str, Any], options: Mapping[str, Any]) -> Objective:
    """The training objective for a model config.

    Args:
        options: of `settings`.
    """
    # Only the noise levels of this prior are used, so it needs no network.
    prior = FAMILIES[config["family"]][0](nn.Identity(), **config["prior"])
    if isinstance(prior, DDPM):
        if prior.variance == "learned":
            return HybridObjective(prior.alphas_cumprod, prior.prediction)
        return DDPMObjective(prior.table, prior.prediction)
    if isinstance(prior, NCSN):
        return NCSNObjective(prior.levels)
    if isinstance(prior, VP | SubVP | VE):
        return SDEObjective(prior.sigma)
    if isinstance(prior, Flow):
        return FlowObjective(prior.sigma_min, prior.sigma_max)
    assert isinstance(prior, EDM)
    return EDMObjective(
        sigma_data=prior.sigma_data,
        sigma_min=prior.sigma_min,
        sigma_max=prior.sigma_max,
        mean=options["sigma_mean"],
        std=options["sigma_std"],
        spread=options["sigma_spread"],
        relative=options["relative"],
        trajectories=_trajectories(options["pnp_states"], options["jpeg_states"]),
    )


def _trajectories(missing: float, compressed: float) -> TrajectoryPool | None:
    share = missing + compressed
    return TrajectoryPool(share, compressed / share) if share else None
