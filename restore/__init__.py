"""restore: restores pictures with guided diffusion models.

    import restore
    restored = restore.inpaint("img.png", mask="mask.png")

    from restore import Restorer
    restorer = Restorer.from_pretrained("photo")
    result = restorer("inpaint", "img.png", mask="mask.png")

All names of `__all__` are public and stay; they are imported when first used, so that `import restore` is instant. Modules for
more: `restore.operators`, `restore.guidance`, `restore.priors`, `restore.images`, `restore.sampling`, `restore.nn`,
`restore.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.api.restorer import Restorer
    from restore.api.shortcuts import auto, colorize, deblur, denoise, diagnose, inpaint, jpeg, super_resolution
    from restore.degradation import Degradation, parse_operator
    from restore.diagnosis import Diagnosis
    from restore.errors import OperatorError, OutOfMemoryError, PictureError, PluginError, PriorError, RestoreError, UsageError
    from restore.guidance import Estimator, Guidance
    from restore.images import Picture
    from restore.noise.model import NoiseModel
    from restore.operators import (
        JPEG,
        Blur,
        Clip,
        Compose,
        ComposeLinear,
        Dense,
        Downsample,
        Gray,
        GrayWithHints,
        Identity,
        Iterative,
        Linear,
        LinearFunction,
        Mask,
        OpenBlur,
        Operator,
        Separable,
        Spectral,
    )
    from restore.options.run_options import RunOptions
    from restore.planning.estimate import Estimate
    from restore.plugins.manager import hookimpl
    from restore.priors import GrayView, Prior
    from restore.priors.view import PriorView
    from restore.problem import Problem
    from restore.results.result import Event, Result
    from restore.sampling.noise import Noise
    from restore.sampling.samplers import Sampler
    from restore.solving.solver import solve
    from restore.task import Task

_HOMES = {
    "Blur": "restore.operators",
    "Clip": "restore.operators",
    "Compose": "restore.operators",
    "ComposeLinear": "restore.operators",
    "Degradation": "restore.degradation",
    "Dense": "restore.operators",
    "Diagnosis": "restore.diagnosis",
    "Downsample": "restore.operators",
    "Estimate": "restore.planning.estimate",
    "Estimator": "restore.guidance",
    "Event": "restore.results.result",
    "Gray": "restore.operators",
    "GrayView": "restore.priors",
    "GrayWithHints": "restore.operators",
    "Guidance": "restore.guidance",
    "Identity": "restore.operators",
    "Iterative": "restore.operators",
    "JPEG": "restore.operators",
    "Linear": "restore.operators",
    "LinearFunction": "restore.operators",
    "Mask": "restore.operators",
    "Noise": "restore.sampling.noise",
    "NoiseModel": "restore.noise.model",
    "OpenBlur": "restore.operators",
    "Operator": "restore.operators",
    "OperatorError": "restore.errors",
    "OutOfMemoryError": "restore.errors",
    "Picture": "restore.images",
    "PictureError": "restore.errors",
    "PluginError": "restore.errors",
    "Prior": "restore.priors",
    "PriorError": "restore.errors",
    "PriorView": "restore.priors.view",
    "Problem": "restore.problem",
    "RestoreError": "restore.errors",
    "Restorer": "restore.api.restorer",
    "Result": "restore.results.result",
    "RunOptions": "restore.options.run_options",
    "Sampler": "restore.sampling.samplers",
    "Separable": "restore.operators",
    "Spectral": "restore.operators",
    "Task": "restore.task",
    "UsageError": "restore.errors",
    "auto": "restore.api.shortcuts",
    "colorize": "restore.api.shortcuts",
    "deblur": "restore.api.shortcuts",
    "denoise": "restore.api.shortcuts",
    "diagnose": "restore.api.shortcuts",
    "hookimpl": "restore.plugins.manager",
    "inpaint": "restore.api.shortcuts",
    "jpeg": "restore.api.shortcuts",
    "parse_operator": "restore.degradation",
    "solve": "restore.solving.solver",
    "super_resolution": "restore.api.shortcuts",
}
__all__ = [
    "JPEG",
    "Blur",
    "Clip",
    "Compose",
    "ComposeLinear",
    "Degradation",
    "Dense",
    "Diagnosis",
    "Downsample",
    "Estimate",
    "Estimator",
    "Event",
    "Gray",
    "GrayView",
    "GrayWithHints",
    "Guidance",
    "Identity",
    "Iterative",
    "Linear",
    "LinearFunction",
    "Mask",
    "Noise",
    "NoiseModel",
    "OpenBlur",
    "Operator",
    "OperatorError",
    "OutOfMemoryError",
    "Picture",
    "PictureError",
    "PluginError",
    "Prior",
    "PriorError",
    "PriorView",
    "Problem",
    "RestoreError",
    "Restorer",
    "Result",
    "RunOptions",
    "Sampler",
    "Separable",
    "Spectral",
    "Task",
    "UsageError",
    "auto",
    "colorize",
    "deblur",
    "denoise",
    "diagnose",
    "hookimpl",
    "inpaint",
    "jpeg",
    "parse_operator",
    "solve",
    "super_resolution",
]
__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
