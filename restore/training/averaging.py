"""Weight averaging of several trained models."""

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


def average_models(folders: Sequence[Path]) -> tuple[dict[str, Any], Prior]:
    """The uniform soup of models (Wortsman et al. 2022, 2203.05482): every weight is the mean over the model folders.

    The models must share most of their training: checkpoints of one run, or models fine-tuned from each other at low learning
    rates. The mean then has less of the noise of the last batches. Averages of independently trained models are useless.

    Returns: the config of the first model, and the averaged prior in float32.

    Raises: PriorError if a folder is incomplete, holds another model than the first, or has weights that are not finite.
    """
    priors = [model_folder.load_alone(folder) for folder in folders]
    configs: list[dict[str, Any]] = [json.loads((folder / model_folder.CONFIG).read_text()) for folder in folders]
    for folder, config in zip(folders, configs, strict=True):
        differing = [
            part for part in ("family", "network", "prior", "classes") if _contradict(config.get(part), configs[0].get(part))
        ]
        if "codec" in config:
            raise PriorError(f"{folder} is a prior on latents, which are not averaged")
        if differing:
            raise PriorError(f"{folder} is another model than {folders[0]}: {' and '.join(differing)} differ")
    states: list[dict[str, Tensor]] = [prior.state_dict() for prior in priors]
    mean = {name: torch.stack([state[name].double() for state in states]).mean(dim=0) for name in states[0]}
    if not all(bool(value.isfinite().all()) for value in mean.values()):
        raise PriorError("a model holds weights that are not finite; `restore models verify FOLDER` says which")
    priors[0].load_state_dict(mean)
    return configs[0], priors[0]


def _contradict(one: Any, other: Any) -> bool:
    """Whether two parts of a config disagree in a setting that both have; a missing setting stands for its default."""
    if isinstance(one, dict) and isinstance(other, dict):
        return any(_contradict(one[key], other[key]) for key in one.keys() & other.keys())
    return bool(one != other)
