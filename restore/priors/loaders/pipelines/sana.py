"""Sana: a transformer with linear attention for rectified flow on latents of 32x32 pixels (Xie et al. 2024, 2410.10629)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError
from restore.priors.families.flow import Flow
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels
from restore.priors.loaders.pipelines.codecs import codec_of
from restore.priors.loaders.pipelines.flows import levels_from
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.text import Text, pipeline_of
from restore.priors.prior import Prior

SCALE = 4.5  # Of classifier-free guidance, diffusers' default.
INSTRUCTION = "complex_human_instruction"  # What the text encoder, a language model, is told before the prompt.


def load(parts: Parts) -> Prior:
    """SanaPipeline. diffusers rounds the network's times down to whole ones with some schedulers; here they are exact."""
    codec, network = codec_of(parts), parts.network("transformer", "SanaTransformer2DModel")
    check_channels(parts, network, codec.channels, "its codec")
    config = network.config
    if config.out_channels != config.in_channels or getattr(config, "guidance_embeds", False):
        raise PriorError(f"{parts.source}: its transformer is not one of a flow alone: it returns, or is told, something more")
    levels = levels_from(parts)
    prior = Flow(
        WithKeywords(network),
        times=1000.0 * getattr(config, "timestep_scale", 1.0),
        levels=levels,
        sigma_min=float(levels[-1]),
        sigma_max=float(levels[0]),
        channels=codec.channels,
        multiple_of=config.patch_size,
        context=16,
        dtype=parts.dtype,
    )
    return Latent(Conditional(prior, _text(parts, network, codec.network)), codec)


def _text(parts: Parts, network: Any, autoencoder: Any) -> Text:
    encoder, tokenizer = parts.text_encoder("text_encoder"), parts.tokenizer("tokenizer")
    width, wanted = encoder.config.hidden_size, network.config.caption_channels
    if width != wanted:
        raise PriorError(f"{parts.source}: its text encoder returns {width} channels, its network takes {wanted}")
    pipeline = pipeline_of(
        "SanaPipeline", vae=autoencoder, transformer=network, scheduler=None, text_encoder=encoder, tokenizer=tokenizer
    )
    instruction = inspect.signature(pipeline.__call__).parameters[INSTRUCTION].default

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        given, mask, nothing, nothing_mask = pipeline.encode_prompt(
            prompt, True, negative_prompt=negative or "", device=device, complex_human_instruction=instruction
        )
        return (
            {"encoder_hidden_states": given, "encoder_attention_mask": mask},
            {"encoder_hidden_states": nothing, "encoder_attention_mask": nothing_mask},
        )

    return Text(encode, {"text_encoder": encoder}, SCALE)
