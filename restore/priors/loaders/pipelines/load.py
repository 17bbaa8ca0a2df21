"""From the files of a pipeline to a prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

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
    "StableDiffusionXLPipeline": "xl.load",
    "StableDiffusionXLImg2ImgPipeline": "xl.load",
    "StableDiffusionXLInpaintPipeline": "xl.load",
    "StableDiffusionUpscalePipeline": "ldm.load_upscaler",
    "StableDiffusion3Pipeline": "sd3.load",
    "LatentConsistencyModelPipeline": "lcm.load",
    "LDMPipeline": "ldm.load_unconditional",
    "LDMSuperResolutionPipeline": "ldm.load_super_resolution",
    "FluxPipeline": "flux.load",
    "SanaPipeline": "sana.load",
    "IFPipeline": "deepfloyd.load_base",
    "IFSuperResolutionPipeline": "deepfloyd.load_super_resolution",
    "PixArtAlphaPipeline": "pixart.load",
    "PixArtSigmaPipeline": "pixart.load",
    "DiTPipeline": "dit.load",
    "ConsistencyModelPipeline": "consistency.load",
}
"""Class of the pipeline -> what loads it."""


CLASSES = "with classes"
PIPELINES[CLASSES] = "classes.load"


def loader_of(files: ModelFiles) -> Callable[[torch.dtype | None], Prior] | None:
    """What loads a pipeline, called with the dtype of its networks; None for files that are no pipeline known here.

    Raises: PriorError if the index cannot be read.
    """
    kind, index = _known(files)
    if kind is None:
        return None
    module, _, name = PIPELINES[kind].partition(".")
    load: Callable[[Parts], Prior] = getattr(import_module(f"{HERE}.{module}"), name)
    return lambda dtype: load(Parts(files, index, dtype)).eval().requires_grad_(False)


def described(files: ModelFiles) -> str | None:
    """A pipeline's class and parts, in a line; None for files that are no pipeline known here."""
    kind, index = _known(files)
    if kind is None:
        return None
    parts = [
        f"{name} ({value[1]})" for name, value in index.items() if isinstance(value, list) and value[1:] not in ([], [None])
    ]
    return f"a {index['_class_name']} of diffusers with {', '.join(parts)}"


def _known(files: ModelFiles) -> tuple[str | None, dict[str, Any]]:
    """A key of `PIPELINES`, or None, and the index."""
    path = files.get(MODEL_INDEX)
    index = {} if path is None else read_json(path)
    kind = index.get("_class_name")
    if isinstance(kind, str) and kind not in PIPELINES and _has_classes(files, index):
        kind = CLASSES
    return (kind if isinstance(kind, str) and kind in PIPELINES else None), index


def _has_classes(files: ModelFiles, index: Mapping[str, Any]) -> bool:
    """Whether a pipeline is one of a network on pixels with a number of classes."""
    if index.get("unet") != ["diffusers", "UNet2DModel"]:
        return False
    config = files.get("unet/config.json")
    return config is not None and isinstance(read_json(config).get("num_class_embeds"), int)
