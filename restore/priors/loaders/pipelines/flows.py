"""The noise levels of rectified flows, from the configs of their schedulers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.loaders.diffusers_scheduler import DISCRETE
from restore.priors.loaders.fields import shown
from restore.priors.loaders.pipelines.chain import FILE
from restore.priors.loaders.pipelines.parts import Parts

SCHEDULER = "FlowMatchEulerDiscreteScheduler"


def levels_from(parts: Parts) -> Tensor:
    """The noise levels (T - 1,), falling, of a flow's scheduler: times t = s u / (1 + (s - 1) u) for u = i / T, s being its
    shift. t = 1, where sigma = t / (1 - t) is infinite, is left out.

    Schedulers of chains that are told of a flow (`prediction_type` flow_prediction) have a `flow_shift`. Where the shift
    depends on the picture's size it is that of the largest, exp(max_shift): levels say where a run steps, not what D is.

    Raises: PriorError for a scheduler of another kind.
    """
    told = parts.config("scheduler", FILE)
    kind = told.get("_class_name")
    of_chain = kind in DISCRETE and told.get("prediction_type") == "flow_prediction"
    if kind != SCHEDULER and not of_chain:
        raise PriorError(
            f"{parts.source}: its scheduler is a {shown(kind)}; known: {SCHEDULER}, and those of a DDPM with flow_prediction"
        )
    shift, count = told.get("flow_shift" if of_chain else "shift", 1.0), told.get("num_train_timesteps", 1000)
    highest = told.get("max_shift", 1.15)
    if told.get("use_dynamic_shifting") and isinstance(highest, int | float) and 0 <= highest < 5:
        shift = math.exp(highest)
    known = isinstance(shift, int | float) and 0 < shift < 100 and isinstance(count, int) and 2 < count < 10**5
    if not known:
        raise PriorError(f"{parts.source}: shift and steps of its scheduler config are {shown(shift)} and {shown(count)}")
    even = torch.arange(count - 1, 0, -1, dtype=torch.float64) / count
    times = shift * even / (1 + (shift - 1) * even)
    return times / (1 - times)
