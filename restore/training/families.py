"""Each family's own words for a training run, and what they mean: the prior's config and the objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from restore.errors import UsageError
from restore.priors.families.ddpm import DDPM
from restore.priors.families.edm import EDM
from restore.priors.families.flow import Flow
from restore.priors.families.ncsn import NCSN
from restore.priors.families.sde import VE, VP, SubVP
from restore.priors.loaders.folder import FAMILIES
from restore.training.objectives import (
    ChainObjective,
    EDMObjective,
    FlowObjective,
    HybridObjective,
    LevelsObjective,
    Objective,
    PnPStates,
    SDEObjective,
)

# Options of `restore train` that belong to some families, with their defaults there.
WORDS: dict[str, dict[str, Any]] = {
    "ddpm": {"prediction": "epsilon", "schedule": "linear", "variance": "fixed-small"},
    "edm": {
        "sigma_mean": -1.2,
        "sigma_std": 1.2,
        "sigma_spread": 0.1,
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "relative": 0.0,
        "pnp_states": 0.0,
    },
    "flow": {},
    "ncsn": {"sigma_min": 0.02, "sigma_max": 100.0, "levels": 200},
    "subvp": {},
    "ve": {"sigma_min": 0.02, "sigma_max": 100.0},
    "vp": {},
}
OWN = sorted({word for words in WORDS.values() for word in words})
PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}


def settings(family: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The family's words with what was given for them; None is not given.

    Raises: UsageError for a word of another family, or a lowest level that is not below the highest.
    """
    words = dict(WORDS[family])
    for word in OWN:
        if given.get(word) is None:
            continue
        if word not in words:
            owners = ", ".join(name for name, known in WORDS.items() if word in known)
            raise UsageError(f"--{word.replace('_', '-')} is for {owners}; a prior of family {family} has none")
        words[word] = given[word]
    if "sigma_min" in words and words["sigma_min"] >= words["sigma_max"]:
        raise UsageError(f"--sigma-min {words['sigma_min']:g} is not below --sigma-max {words['sigma_max']:g}")
    return words


def config(family: str, network: Mapping[str, Any], words: Mapping[str, Any], sigma_start: float | None) -> dict[str, Any]:
    """What `restore.priors.loaders.folder.build` takes.

    Args:
        network: the network's config, with its channels.
        words: as `settings` answers them.
    """
    network, prior = dict(network), dict[str, Any](sigma_start=sigma_start)
    if family == "ddpm":
        prior |= {"prediction": PREDICTIONS[words["prediction"]], "schedule": words["schedule"], "variance": words["variance"]}
        if words["variance"] == "learned":
            network["out_channels"] = 2 * network["channels"]
    if "sigma_min" in words:
        prior |= {"sigma_min": words["sigma_min"], "sigma_max": words["sigma_max"]}
    if family == "ncsn":
        prior["count"] = words["levels"]
    if family == "edm":
        prior["sigma_data"] = 0.5
    return {"family": family, "network": network, "prior": prior}


def objective(config: Mapping[str, Any], words: Mapping[str, Any]) -> Objective:
    """What trains the prior of this config; `words` as `settings` answers them."""
    prior = FAMILIES[config["family"]][0](nn.Identity(), **config["prior"])  # Its table and range, without a network.
    if isinstance(prior, DDPM):
        if prior.variance == "learned":
            return HybridObjective(prior.alphas_cumprod, prior.prediction)
        return ChainObjective(prior.table, prior.prediction)
    if isinstance(prior, NCSN):
        return LevelsObjective(prior.levels)
    if isinstance(prior, VP | SubVP | VE):
        return SDEObjective(prior.sigma)
    if isinstance(prior, Flow):
        return FlowObjective(prior.sigma_min, prior.sigma_max)
    assert isinstance(prior, EDM)
    return EDMObjective(
        sigma_data=prior.sigma_data,
        sigma_min=prior.sigma_min,
        sigma_max=prior.sigma_max,
        mean=words["sigma_mean"],
        std=words["sigma_std"],
        spread=words["sigma_spread"],
        relative=words["relative"],
        walks=PnPStates(words["pnp_states"]) if words["pnp_states"] else None,
    )
