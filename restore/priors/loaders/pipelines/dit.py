"""DiT: a transformer on latents, conditioned on a class (Peebles & Xie 2023, 2212.09748)."""

from __future__ import annotations

from restore.errors import PriorError
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels, prior_of
from restore.priors.loaders.pipelines.codecs import codec_of
from restore.priors.loaders.pipelines.labels import Labels
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.prior import Prior

SCALE = 4.0  # Of classifier-free guidance, diffusers' default.


def load(parts: Parts) -> Prior:
    """DiTPipeline: the class after the last stands for none."""
    codec, network = codec_of(parts), parts.network("transformer", "DiTTransformer2DModel", "Transformer2DModel")
    check_channels(parts, network, codec.channels, "its codec")
    count = network.config.num_embeds_ada_norm
    prior = prior_of(
        parts,
        WithKeywords(network),
        channels=codec.channels,
        multiple_of=network.config.patch_size,
        outputs=network.config.out_channels,
    )
    told = parts.index.get("id2label", {})
    if not isinstance(told, dict):
        raise PriorError(f"{parts.source}: id2label of model_index.json names no classes")
    names = {
        name.strip().lower(): int(number)
        for number, label in told.items()
        if isinstance(label, str) and str(number).isdecimal()
        for name in label.split(",")
    }
    return Latent(Conditional(prior, Labels(count, nothing=count, scale=SCALE, names=names)), codec)
