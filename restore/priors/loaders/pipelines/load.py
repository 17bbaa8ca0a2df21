"""From the files of a pipeline to a prior."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import torch

from restore.priors.loaders.hub import ModelFiles, read_json
from restore.priors.loaders.pipelines.parts import Parts
from restore.priors.prior import Prior

MODEL_INDEX = "model_index.json"
HERE = "restore.priors.loaders.pipelines"
PIPELINES = {
    "StableDiffusionPipeline": "stable_diffusion.load_text",
    "StableDiffusionImg2ImgPipeline": "stable_diffusion.load_text",
    "StableDiffusionInpaintPipeline": "stable_diffusion.load_inpaint",
}
"""Class of the pipeline -> what loads it."""


def loader_of(files: ModelFiles) -> Callable[[torch.dtype | None], Prior] | None:
    """What loads a pipeline, called with the dtype of its networks; None for files that are no pipeline known here.

    Raises: PriorError if the index cannot be read.
    """
    path = files.get(MODEL_INDEX)
    index = {} if path is None else read_json(path)
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in PIPELINES:
        return None
    module, _, name = PIPELINES[kind].partition(".")
    load: Callable[[Parts], Prior] = getattr(import_module(f"{HERE}.{module}"), name)
    return lambda dtype: load(Parts(files, index, dtype)).eval().requires_grad_(False)
