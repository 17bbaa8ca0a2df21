"""Stable Diffusion 3: a transformer for rectified flow on latents (Esser et al. 2024, 2403.03206)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.families.flow import Flow
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels
from restore.priors.loaders.pipelines.codecs import DiffusersCodec, codec_of
from restore.priors.loaders.pipelines.flows import levels_from
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.text import Text, pipeline_of
from restore.priors.prior import Prior

SCALE = 7.0  # Of classifier-free guidance, diffusers' default.
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


def load(parts: Parts) -> Prior:
    """StableDiffusion3Pipeline, with or without its third encoder."""
    codec, network = codec_of(parts), parts.network("transformer", "SD3Transformer2DModel")
    check_channels(parts, network, codec.channels, "its codec")
    levels = levels_from(parts)
    prior = Flow(
        WithKeywords(network, {"pooled": "pooled_projections"}),
        times=1000.0,
        levels=levels,
        sigma_min=float(levels[-1]),
        sigma_max=float(levels[0]),
        channels=codec.channels,
        multiple_of=network.config.patch_size,
        context=16,
        dtype=parts.dtype,
    )
    return Latent(Conditional(prior, _text(parts, network, codec)), codec)


def _text(parts: Parts, network: Any, codec: DiffusersCodec) -> Text:
    made: dict[str, Any] = {name: parts.text_encoder(name) if parts.has(name) else None for name in ENCODERS}
    made |= {name: parts.tokenizer(name) if parts.has(name) else None for name in TOKENIZERS}
    if made["text_encoder"] is None or made["text_encoder_2"] is None:
        raise PriorError(f"{parts.source}: model_index.json names no two text encoders; they are parts of every such pipeline")
    pipeline = pipeline_of("StableDiffusion3Pipeline", vae=codec.network, transformer=network, scheduler=None, **made)

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        given, nothing, pooled, without = pipeline.encode_prompt(
            prompt, None, None, device=device, negative_prompt=negative, do_classifier_free_guidance=True
        )
        return (
            {"encoder_hidden_states": given, "pooled": pooled},
            {"encoder_hidden_states": nothing, "pooled": without},
        )

    encoders = {name: module for name, module in made.items() if name in ENCODERS and module is not None}
    return Text(encode, encoders, SCALE)
