"""Class-conditional networks on pixels."""

from __future__ import annotations

from restore.errors import PriorError
from restore.priors.latent.conditional import Conditional
from restore.priors.loaders.pipelines.chain import levels_of, prior_of
from restore.priors.loaders.pipelines.labels import Labels
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.prior import Prior


def load(parts: Parts) -> Prior:
    """DDPMPipeline and others of a `UNet2DModel` with `num_class_embeds`."""
    network = parts.network("unet", "UNet2DModel")
    channels, outputs, count = (getattr(network.config, name) for name in ("in_channels", "out_channels", "num_class_embeds"))
    if channels not in (1, 3) or outputs not in (channels, 2 * channels):
        raise PriorError(f"{parts.source}: its network has {channels} input and {outputs} output channels; expected 1 or 3")
    prior = prior_of(
        parts, WithKeywords(network), channels=channels, multiple_of=levels_of(network), outputs=outputs, context=64
    )
    return Conditional(prior, Labels(count))
