"""Stable Diffusion XL and its refiner: text, and the picture's size or score of aesthetics, as conditions (Podell et al. 2023,
2307.01952)."""

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

SCALE = 5.0  # Of classifier-free guidance, diffusers' default.
SCORES = 6.0, 2.5  # Of aesthetics, for the prompt and for the negative one: diffusers' defaults.
ADDED = {name: f"added_cond_kwargs.{name}" for name in ("text_embeds", "time_ids")}


def load(parts: Parts) -> Prior:
    """StableDiffusionXLPipeline, its refiner, which has the second text encoder alone, and inpainting of 4 or 9 channels."""
    codec, network = codec_of(parts, by_channel=True), parts.network("unet", "UNet2DConditionModel")
    text = _text(parts, network, codec)
    prior = prior_of(parts, WithKeywords(network, ADDED), channels=codec.channels, multiple_of=levels_of(network))
    if network.config.in_channels == codec.channels:
        return Latent(Conditional(prior, text), codec)
    check_channels(parts, network, 2 * codec.channels + 1, "latents, a mask and the code of a picture")
    return Latent(Conditional(prior, Masked(text, codec), guidance="conditioned", whole=True), codec)


def _text(parts: Parts, network: Any, codec: DiffusersCodec) -> Text:
    encoders, tokenizers = ("text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2")
    made: dict[str, Any] = {name: parts.text_encoder(name) if parts.has(name) else None for name in encoders}
    made |= {name: parts.tokenizer(name) if parts.has(name) else None for name in tokenizers}
    if made["text_encoder_2"] is None or made["tokenizer_2"] is None:
        raise PriorError(f"{parts.source}: model_index.json names no text_encoder_2; it is a part of every such pipeline")
    pipeline = pipeline_of(
        "StableDiffusionXLImg2ImgPipeline",
        vae=codec.network,
        unet=network,
        scheduler=None,
        requires_aesthetics_score=bool(parts.index.get("requires_aesthetics_score", False)),
        force_zeros_for_empty_prompt=bool(parts.index.get("force_zeros_for_empty_prompt", True)),
        add_watermarker=False,
        **made,
    )
    own = network.config.sample_size * codec.factor

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        given, nothing, pooled, without = pipeline.encode_prompt(prompt, device=device, negative_prompt=negative)
        size = (own, own) if size is None else size
        width = made["text_encoder_2"].config.projection_dim
        corner = (0, 0)
        ids, other_ids = pipeline._get_add_time_ids(
            size, corner, size, *SCORES, size, corner, size, dtype=given.dtype, text_encoder_projection_dim=width
        )
        return (
            {"encoder_hidden_states": given, "text_embeds": pooled, "time_ids": ids.to(device)},
            {"encoder_hidden_states": nothing, "text_embeds": without, "time_ids": other_ids.to(device)},
        )

    scale = 1.0 if is_distilled(parts) else SCALE
    return Text(encode, {name: made[name] for name in encoders if made[name] is not None}, scale)
