"""One prior out of several that were trained from the same weights: the mean of what they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.loaders import folder as model_folder
from restore.priors.prior import Prior


def mean_of(folders: Sequence[Path]) -> tuple[dict[str, Any], Prior]:
    """The uniform soup of model folders (Wortsman et al. 2022, 2203.05482): every weight is the mean over them.

    Models of one run, or trained from one another at low rates, differ in what their last batches left in them. The mean is
    rid of that at no cost in use. Of models that were trained apart the mean is no model at all.

    Returns: the config, that of the first, and the prior in float32.

    Raises: PriorError if a folder is not whole, is another model than the first, or holds what is not finite.
    """
    priors = [model_folder.load(folder) for folder in folders]
    configs: list[dict[str, Any]] = [json.loads((folder / model_folder.CONFIG).read_text()) for folder in folders]
    for folder, config in zip(folders, configs, strict=True):
        differing = [part for part in ("family", "network", "prior") if _contradict(config.get(part), configs[0].get(part))]
        if differing:
            raise PriorError(f"{folder} is another model than {folders[0]}: {' and '.join(differing)} differ")
    states: list[dict[str, Tensor]] = [prior.state_dict() for prior in priors]
    mean = {name: torch.stack([state[name].double() for state in states]).mean(dim=0) for name in states[0]}
    if not all(bool(value.isfinite().all()) for value in mean.values()):
        raise PriorError("a model holds weights that are not finite; `restore models verify FOLDER` says which")
    priors[0].load_state_dict(mean)
    return configs[0], priors[0]


def _contradict(one: Any, other: Any) -> bool:
    """Whether two parts of a config cannot both hold; settings that one leaves to their defaults do not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        return any(_contradict(one[key], other[key]) for key in one.keys() & other.keys())
    return bool(one != other)
