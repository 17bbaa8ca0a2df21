"""DeepFloyd IF: a cascade of U-Nets on pixels, conditioned on text by T5 (DeepFloyd 2023; Saharia et al. 2022, 2205.11487)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.latent.codec import Pixels
from restore.priors.latent.conditional import Conditional
from restore.priors.loaders.pipelines.chain import check_channels, levels_of, prior_of
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.small import Enlarged
from restore.priors.loaders.pipelines.text import Text, pipeline_of
from restore.priors.prior import Prior

BASE, ENLARGING = 7.0, 4.0  # Scales of classifier-free guidance, diffusers' defaults.
CHANNELS = 3


def load_base(parts: Parts) -> Prior:
    """IFPipeline: the first stage, of 64x64 pixels; its learned variance is not used."""
    network = parts.network("unet", "UNet2DConditionModel")
    check_channels(parts, network, CHANNELS, "a picture")
    return Conditional(_prior(parts, network), _text(parts, network, BASE))


def load_super_resolution(parts: Parts) -> Prior:
    """IFSuperResolutionPipeline: the second stage, told the small picture, enlarged, and its noise level."""
    network = parts.network("unet", "UNet2DConditionModel")
    check_channels(parts, network, 2 * CHANNELS, "a picture and a small one, enlarged,")
    chain, text = parts.chain("image_noising_scheduler"), _text(parts, network, ENLARGING)
    conditioner = Enlarged(Pixels(CHANNELS), text, chain)
    return Conditional(_prior(parts, network), conditioner, guidance="conditioned", whole=True)


def _prior(parts: Parts, network: Any) -> Any:
    outputs = network.config.out_channels
    if outputs not in (CHANNELS, 2 * CHANNELS):
        raise PriorError(f"{parts.source}: its network has {outputs} output channels; expected {CHANNELS} or {2 * CHANNELS}")
    return prior_of(
        parts, WithKeywords(network), channels=CHANNELS, multiple_of=levels_of(network), outputs=outputs, context=64
    )


def _text(parts: Parts, network: Any, scale: float) -> Text:
    encoder, tokenizer = parts.text_encoder("text_encoder"), parts.tokenizer("tokenizer")
    width, wanted = encoder.config.d_model, network.config.encoder_hid_dim or network.config.cross_attention_dim
    if width != wanted:
        raise PriorError(f"{parts.source}: its text encoder returns {width} channels, its network takes {wanted}")
    pipeline = pipeline_of(
        "IFPipeline",
        tokenizer=tokenizer,
        text_encoder=encoder,
        unet=network,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        given, nothing = pipeline.encode_prompt(prompt, True, device=device, negative_prompt=negative)
        return {"encoder_hidden_states": given}, {"encoder_hidden_states": nothing}

    return Text(encode, {"text_encoder": encoder}, scale)
