"""FLUX.1: a transformer for rectified flow on latents, two by two cells a token (Black Forest Labs 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.priors.families.flow import Flow
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels
from restore.priors.loaders.pipelines.codecs import DiffusersCodec, codec_of
from restore.priors.loaders.pipelines.flows import levels_from
from restore.priors.loaders.pipelines.parts import Parts
from restore.priors.loaders.pipelines.text import Text, pipeline_of
from restore.priors.prior import Prior
from restore.problem import Problem

SCALE = 3.5  # Of the guidance that the network was distilled with, diffusers' default.


def load(parts: Parts) -> Prior:
    """FluxPipeline: dev, whose network is told a guidance scale, and schnell, whose is not."""
    codec, network = codec_of(parts), parts.network("transformer", "FluxTransformer2DModel")
    check_channels(parts, network, 4 * codec.channels, "four cells of its codec")
    levels = levels_from(parts)
    prior = Flow(
        Tokens(network),
        levels=levels,
        sigma_min=float(levels[-1]),
        sigma_max=float(levels[0]),
        times=1.0,
        channels=codec.channels,
        multiple_of=2,
        context=16,
        dtype=parts.dtype,
    )
    text = _text(parts, network, codec)
    return Latent(Conditional(prior, Distilled(text) if network.config.guidance_embeds else text), codec)


class Tokens(nn.Module):
    """The transformer, called with latents (B, C, h, w), times (B,) and a condition; returns the velocity (B, C, h, w)."""

    channels_last = False

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, time: Tensor, **given: Tensor) -> Tensor:
        height, width = x.shape[-2] // 2, x.shape[-1] // 2
        rows = torch.arange(height, device=x.device, dtype=x.dtype)[:, None].expand(height, width)
        columns = torch.arange(width, device=x.device, dtype=x.dtype)[None].expand(height, width)
        places = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1)
        words = given["encoder_hidden_states"].shape[1]
        answer = self.network(
            hidden_states=F.pixel_unshuffle(x, 2).flatten(2).transpose(1, 2),
            timestep=time,
            img_ids=places,
            txt_ids=torch.zeros(words, 3, device=x.device, dtype=x.dtype),
            return_dict=False,
            **given,
        )[0]
        return F.pixel_shuffle(answer.transpose(1, 2).unflatten(2, (height, width)), 2)


class Distilled(Conditioner):
    """Text for a network that was distilled with its guidance: it is told the scale, and asked once."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        asked.only("prompt", "guidance_scale")
        condition = self.text.condition(replace(asked, guidance_scale=None), problem, device)
        scale = SCALE if asked.guidance_scale is None else asked.guidance_scale
        return Condition(given={**condition.given, "guidance": torch.tensor([float(scale)], device=device)})

    def modules(self) -> Mapping[str, nn.Module]:
        return self.text.modules()


def _text(parts: Parts, network: Any, codec: DiffusersCodec) -> Text:
    encoders = {name: parts.text_encoder(name) for name in ("text_encoder", "text_encoder_2")}
    tokenizers = {name: parts.tokenizer(name) for name in ("tokenizer", "tokenizer_2")}
    pipeline = pipeline_of("FluxPipeline", vae=codec.network, transformer=network, scheduler=None, **encoders, **tokenizers)
    longest = 512 if network.config.guidance_embeds else 256  # As the two published networks were trained.

    def encoded(prompt: str, device: torch.device) -> Mapping[str, Tensor]:
        given, pooled, _ = pipeline.encode_prompt(prompt, None, device=device, max_sequence_length=longest)
        return {"encoder_hidden_states": given, "pooled_projections": pooled}

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        return encoded(prompt, device), encoded(negative or "", device)

    return Text(encode, encoders, 1.0)  # Of the true classifier-free guidance, which is off unless asked for.
