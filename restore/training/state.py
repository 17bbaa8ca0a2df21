"""The saved state of a training run, and resuming from it."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from restore.device.memory import is_lack_of_memory
from restore.errors import PriorError, RestoreError
from restore.files import write_atomically
from restore.priors.loaders import folder as model_folder

STATE, METRICS = "training.pt", "metrics.jsonl"
logger = logging.getLogger("restore")


def make_folder(out: Path) -> None:
    """Make the folder of a run. Raises RestoreError if nothing can be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(0, "no permission")
    except OSError as error:
        raise not_written(out, error) from None


def not_written(out: Path, error: OSError) -> RestoreError:
    """The error for a run that cannot be saved."""
    return RestoreError(f"{out}: cannot be written ({error.strerror}); check the name, space and permissions")


@contextmanager
def warned(path: Path, step: int) -> Iterator[None]:
    """Inside, an OSError is a warning: a disk may be full for a while, and the run is worth more than one checkpoint."""
    try:
        yield
    except OSError as error:
        logger.warning("step %d: %s cannot be written (%s); the run goes on and tries again", step, path, error.strerror)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write `training.pt` atomically. Raises OSError if that fails."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            try:
                torch.save(dict(state), file)
            except RuntimeError as error:  # What torch makes of a full disk.
                file.flush()  # Raises the error of the system, if it is one.
                raise OSError(0, str(error).splitlines()[0]) from None

    write_atomically(path, write)


def load_state(
    path: Path, config: Mapping[str, Any], prior: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, float, float, list[float]]:
    """Load `training.pt` into the modules and the optimizer, in place.

    Args:
        config: of the model, which must be that of the run.

    Returns: step, seconds of training so far, running mean of the loss, and the loss of every step.

    Raises: PriorError if the file is damaged, or was saved by a run with other options.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if "config" in state:
            _compare(path.parent, state["config"], config)
        prior.load_state_dict(state["prior"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        losses: list[float] = state.get("losses", torch.zeros(0)).tolist()
        step, seconds, loss = state["step"], float(state["seconds"]), float(state.get("loss", math.nan))
        _check(step, seconds, losses, prior, average, optimizer)
        return step, seconds, loss, losses
    except PriorError:
        raise
    except Exception as error:  # A file of any content fails in any way.
        if is_lack_of_memory(error):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PriorError(f"{path}: this training run cannot be resumed with these options, or is damaged: {first}") from None


def _check(
    step: Any, seconds: float, losses: list[Any], prior: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Raises ValueError for values that no run has."""
    if not (isinstance(step, int) and not isinstance(step, bool) and step >= 0):
        raise ValueError(f"step is {step!r}")
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"seconds are {seconds!r}")
    if not all(isinstance(loss, float) for loss in losses) or len(losses) > step:
        raise ValueError(f"{len(losses)} losses of {step} steps")
    weights = {**prior.state_dict(), **{f"average {name}": value for name, value in average.state_dict().items()}}
    for name, value in weights.items():
        if not bool(value.isfinite().all()):
            raise ValueError(f"{name} holds values that are not finite")
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            moments = optimizer.state.get(parameter, {})
            if step and not moments:
                raise ValueError("the optimizer's state is not complete")
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                    raise ValueError(f"{name} of the optimizer is {tuple(value.shape)}, its weight {tuple(parameter.shape)}")


def check_same_model(out: Path, config: Mapping[str, Any]) -> None:
    """Check that a resumed run has the same family and settings, since weights of one family also load into others.

    Raises: PriorError if `out` holds a run of another family, or with other settings.
    """
    try:
        found = json.loads((out / model_folder.CONFIG).read_text())
    except (OSError, ValueError):
        return  # `training.pt` has the config, too.
    _compare(out, found, config)


def _compare(out: Path, found: Any, config: Mapping[str, Any]) -> None:
    if "codec" in config and "loss" in config:  # Of a codec.
        if isinstance(found, Mapping) and "loss" in found and found != config:
            raise PriorError(f"{out} holds a run of another codec, or with another loss; it is continued as it began")
        return
    try:
        settings = [{name: value for name, value in one["prior"].items() if name != "sigma_start"} for one in (found, config)]
        same = found["family"] == config["family"] and all(
            settings[1].get(name, value) == value for name, value in settings[0].items()
        )
        parts = all(found.get(name) == config.get(name) for name in ("codec", "classes"))
    except (KeyError, AttributeError, TypeError):
        return  # No config to compare with.
    if not parts:
        raise PriorError(f"{out} holds a run with another codec or other classes; it is continued as it began")
    if not same:
        raise PriorError(
            f"{out} holds a run of family {found['family']} with {settings[0]};"
            f" it cannot be resumed as {config['family']} with {settings[1]}"
        )


def add_metrics(out: Path, line: Mapping[str, Any]) -> None:
    """Append a line to the metrics. Raises OSError if that fails."""
    with (out / METRICS).open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def truncate_metrics(out: Path, step: int) -> None:
    """Remove the metrics of later steps: a run that was killed may have logged steps after its last checkpoint.

    Lines that are damaged are removed, too, with a warning: nothing depends on them.
    """
    path = out / METRICS
    if not path.is_file():
        return
    kept, damaged = [], 0
    for line in path.read_bytes().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + b"\n")
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged += 1
    if damaged:
        logger.warning("%s: %d damaged line(s) are removed", path, damaged)
    write_atomically(path, b"".join(kept))
