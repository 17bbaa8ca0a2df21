"""Consistency models of diffusers, with or without classes."""

from __future__ import annotations

from restore.errors import PriorError
from restore.priors.families.consistency import Consistency
from restore.priors.latent.conditional import Conditional
from restore.priors.loaders.fields import shown
from restore.priors.loaders.pipelines.chain import FILE, levels_of
from restore.priors.loaders.pipelines.labels import Labels
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.prior import Prior

SCHEDULER = "CMStochasticIterativeScheduler"


def load(parts: Parts) -> Prior:
    """ConsistencyModelPipeline: a `UNet2DModel` with the noise levels of its scheduler's config."""
    network, told = parts.network("unet", "UNet2DModel"), parts.config("scheduler", FILE)
    if told.get("_class_name") != SCHEDULER:
        raise PriorError(f"{parts.source}: its scheduler is a {shown(told.get('_class_name'))}; known: {SCHEDULER}")
    found = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
    for name in found:
        value = told.get(name, found[name])
        if not isinstance(value, int | float) or not 0 < value < 1e6:
            raise PriorError(f"{parts.source}: {name} of its scheduler config is {shown(value)}; expected a number above 0")
        found[name] = float(value)
    prior = Consistency(
        WithKeywords(network),
        sigma_min=found["sigma_min"],
        sigma_max=found["sigma_max"],
        sigma_data=found["sigma_data"],
        clip=1.0 if told.get("clip_denoised", True) else None,
        channels=network.config.in_channels,
        multiple_of=levels_of(network),
        dtype=parts.dtype,
    )
    count = network.config.num_class_embeds
    return prior if count is None else Conditional(prior, Labels(count))
