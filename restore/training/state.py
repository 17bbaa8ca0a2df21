"""What a training run leaves behind to be continued, and whether it may be."""

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


def resumed(
    path: Path, prior: Prior, average: Prior, optimizer: torch.optim.Optimizer
) -> tuple[int, float, float, list[float]]:
    """Loads a checkpoint into its parts; step, seconds, running loss, all losses."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        prior.load_state_dict(state["prior"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        losses: list[float] = state.get("losses", torch.zeros(0)).tolist()
        return state["step"], state["seconds"], state.get("loss", float("nan")), losses
    except (RuntimeError, ValueError, KeyError, OSError, EOFError, pickle.UnpicklingError) as error:
        first = str(error).strip().splitlines()[0]
        raise PriorError(f"{path}: this training run cannot be continued with these options, or is damaged: {first}") from None


def same_kind(out: Path, config: dict[str, Any]) -> None:
    """Weights of one family fit the networks of others, too: what was trained must be asked for again."""
    try:
        found = json.loads((out / model_folder.CONFIG).read_text())
        kinds = [{name: value for name, value in one["prior"].items() if name != "sigma_start"} for one in (found, config)]
        same = found["family"] == config["family"] and all(
            kinds[1].get(name, value) == value for name, value in kinds[0].items()
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return  # No config to compare with; the state says whether it fits.
    if not same:
        raise PriorError(
            f"{out} holds a run of family {found['family']} with {kinds[0]};"
            f" it cannot go on as {config['family']} with {kinds[1]}"
        )


def keep_metrics(out: Path, step: int) -> None:
    """Drops lines after a step: a killed run may have written more of them than it saved."""
    path = out / METRICS
    if path.is_file():
        lines = [line for line in path.read_text().splitlines() if line.endswith("}") and json.loads(line)["step"] <= step]
        write_atomically(path, "".join(line + "\n" for line in lines).encode())
