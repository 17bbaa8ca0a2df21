"""The saved state of a training run, and resuming from it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from restore.errors import PriorError
from restore.files import write_atomically
from restore.priors.loaders import folder as model_folder
from restore.priors.prior import Prior

STATE, METRICS = "training.pt", "metrics.jsonl"


def load_state(
    path: Path, prior: Prior, average: Prior, optimizer: torch.optim.Optimizer
) -> tuple[int, float, float, list[float]]:
    """Load `training.pt` into the modules and the optimizer, in place.

    Returns: step, seconds of training so far, running mean of the loss, and the loss of every step.

    Raises: PriorError if the file is damaged, or was saved by a run with other options.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        prior.load_state_dict(state["prior"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        losses: list[float] = state.get("losses", torch.zeros(0)).tolist()
        return state["step"], state["seconds"], state.get("loss", float("nan")), losses
    except (RuntimeError, ValueError, KeyError, OSError, EOFError, pickle.UnpicklingError) as error:
        first = str(error).strip().splitlines()[0]
        raise PriorError(f"{path}: this training run cannot be resumed with these options, or is damaged: {first}") from None


def check_same_model(out: Path, config: dict[str, Any]) -> None:
    """Check that a resumed run has the same family and settings, since weights of one family also load into others.

    Raises: PriorError if `out` holds a run of another family, or with other settings.
    """
    try:
        found = json.loads((out / model_folder.CONFIG).read_text())
        settings = [{name: value for name, value in one["prior"].items() if name != "sigma_start"} for one in (found, config)]
        same = found["family"] == config["family"] and all(
            settings[1].get(name, value) == value for name, value in settings[0].items()
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return  # No config to compare with; `load_state` raises.
    if not same:
        raise PriorError(
            f"{out} holds a run of family {found['family']} with {settings[0]};"
            f" it cannot be resumed as {config['family']} with {settings[1]}"
        )


def truncate_metrics(out: Path, step: int) -> None:
    """Remove the metrics of later steps: a run that was killed may have logged steps after its last checkpoint."""
    path = out / METRICS
    if path.is_file():
        lines = [line for line in path.read_text().splitlines() if line.endswith("}") and json.loads(line)["step"] <= step]
        write_atomically(path, "".join(line + "\n" for line in lines).encode())
