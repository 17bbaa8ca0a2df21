"""Stable Diffusion 1.x and 2.x: a U-Net on latents of 8x8 pixels, conditioned on text (Rombach et al. 2022, 2112.10752)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels, is_distilled, levels_of, prior_of
from restore.priors.loaders.pipelines.codecs import DiffusersCodec, codec_of
from restore.priors.loaders.pipelines.masked import Masked
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.text import Text, pipeline_of
from restore.priors.prior import Prior

SCALE = 7.5  # Of classifier-free guidance, diffusers' default.


def load_text(parts: Parts) -> Prior:
    """StableDiffusionPipeline: 4 channels, epsilon or v."""
    codec, network = codec_of(parts), parts.network("unet", "UNet2DConditionModel")
    check_channels(parts, network, codec.channels, "its codec")
    prior = prior_of(parts, WithKeywords(network), channels=codec.channels, multiple_of=levels_of(network))
    return Latent(Conditional(prior, text_of(parts, network, codec)), codec)


def load_inpaint(parts: Parts) -> Prior:
    """StableDiffusionInpaintPipeline: 9 channels, those of z, the mask and the code of the masked picture; one of 4 channels is
    a StableDiffusionPipeline."""
    codec, network = codec_of(parts), parts.network("unet", "UNet2DConditionModel")
    text = text_of(parts, network, codec)
    prior = prior_of(parts, WithKeywords(network), channels=codec.channels, multiple_of=levels_of(network))
    if network.config.in_channels == codec.channels:
        return Latent(Conditional(prior, text), codec)
    check_channels(parts, network, 2 * codec.channels + 1, "latents, a mask and the code of a picture")
    return Latent(Conditional(prior, Masked(text, codec), guidance="conditioned", whole=True), codec)


def text_of(parts: Parts, network: Any, codec: DiffusersCodec, scale: float = SCALE) -> Text:
    """The conditioner of a Stable Diffusion pipeline.

    Args:
        scale: of classifier-free guidance by default, unless the network was distilled to few steps without it.

    Raises PriorError if its encoder does not fit its network."""
    encoder, tokenizer = parts.text_encoder("text_encoder"), parts.tokenizer("tokenizer")
    width, wanted = encoder.config.hidden_size, network.config.cross_attention_dim
    if width != wanted:
        raise PriorError(f"{parts.source}: its text encoder returns {width} channels, its network takes {wanted}")
    pipeline = pipeline_of(
        "StableDiffusionPipeline",
        vae=codec.network,
        unet=network,
        text_encoder=encoder,
        tokenizer=tokenizer,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        given, nothing = pipeline.encode_prompt(prompt, device, 1, True, negative)
        return {"encoder_hidden_states": given}, {"encoder_hidden_states": nothing}

    return Text(encode, {"text_encoder": encoder}, 1.0 if is_distilled(parts) else scale)
