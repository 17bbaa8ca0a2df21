"""Latent diffusion without text: unconditional, and super-resolution (Rombach et al. 2022, 2112.10752)."""

from __future__ import annotations

from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels, levels_of, prior_of
from restore.priors.loaders.pipelines.codecs import codec_of
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.small import Small
from restore.priors.loaders.pipelines.stable_diffusion import text_of
from restore.priors.prior import Prior

SCALE = 9.0  # Of classifier-free guidance in the upscaler, diffusers' default.


def load_unconditional(parts: Parts) -> Prior:
    """LDMPipeline: a `UNet2DModel` on the latents of a VQModel."""
    codec, network = codec_of(parts, "vqvae"), parts.network("unet", "UNet2DModel")
    check_channels(parts, network, codec.channels, "its codec")
    return Latent(prior_of(parts, WithKeywords(network), channels=codec.channels, multiple_of=levels_of(network)), codec)


def load_super_resolution(parts: Parts) -> Prior:
    """LDMSuperResolutionPipeline: the small picture beside latents of its size. Its latents are not scaled."""
    codec, network = codec_of(parts, "vqvae", scale=1.0), parts.network("unet", "UNet2DModel")
    check_channels(parts, network, codec.channels + codec.picture_channels, "latents and a small picture")
    prior = prior_of(parts, WithKeywords(network), channels=codec.channels, multiple_of=levels_of(network))
    return Latent(Conditional(prior, Small(codec), guidance="conditioned", whole=True), codec)


def load_upscaler(parts: Parts) -> Prior:
    """StableDiffusionUpscalePipeline: the small picture and its noise level beside latents, and text."""
    codec, network = codec_of(parts), parts.network("unet", "UNet2DConditionModel")
    check_channels(parts, network, codec.channels + codec.picture_channels, "latents and a small picture")
    text = text_of(parts, network, codec, scale=SCALE)
    chain = parts.chain("low_res_scheduler")
    prior = prior_of(parts, WithKeywords(network), channels=codec.channels, multiple_of=levels_of(network))
    highest = int(parts.index.get("max_noise_level", 350))
    return Latent(Conditional(prior, Small(codec, text, chain[: highest + 1]), guidance="conditioned", whole=True), codec)
