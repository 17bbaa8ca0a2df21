"""Latent consistency models: few steps, told how strictly to follow the prompt (Luo et al. 2023, 2310.04378)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from restore.errors import PriorError
from restore.priors.families.consistency import ChainConsistency
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.priors.latent.latent import Latent
from restore.priors.loaders.fields import shown
from restore.priors.loaders.pipelines.chain import FILE, chain_of, check_channels, levels_of
from restore.priors.loaders.pipelines.codecs import codec_of
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.stable_diffusion import text_of
from restore.priors.loaders.pipelines.text import Text
from restore.priors.prior import Prior
from restore.problem import Problem

SCALE = 8.5  # Of the guidance that the network was distilled with, diffusers' default.


def load(parts: Parts) -> Prior:
    """LatentConsistencyModelPipeline."""
    codec, network = codec_of(parts), parts.network("unet", "UNet2DConditionModel")
    check_channels(parts, network, codec.channels, "its codec")
    told, width = parts.config("scheduler", FILE), network.config.time_cond_proj_dim
    scaling, count = told.get("timestep_scaling", 10.0), told.get("original_inference_steps", 50)
    if not (isinstance(scaling, int | float) and 0 < scaling < 1e4 and isinstance(count, int) and 0 < count < 10**5):
        raise PriorError(f"{parts.source}: timestep_scaling and original_inference_steps are {shown(scaling)}, {shown(count)}")
    if not isinstance(width, int):
        raise PriorError(f"{parts.source}: its unet is told no guidance scale (time_cond_proj_dim); give one that is")
    table, settings, sizes = chain_of(parts, channels=codec.channels, multiple_of=levels_of(network))
    prior = ChainConsistency(WithKeywords(network), table, scaling=float(scaling), distilled=count, **settings, **sizes)
    return Latent(Conditional(prior, Distilled(text_of(parts, network, codec), width)), codec)


class Distilled(Conditioner):
    """Text, with an embedding of the guidance scale in place of a second evaluation.

    Args:
        text: makes the rest of the condition.
        width: of the embedding.
    """

    def __init__(self, text: Text, width: int) -> None:
        self.text, self.width = text, width

    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        asked.only("prompt", "guidance_scale")
        scale = SCALE if asked.guidance_scale is None else asked.guidance_scale
        condition = self.text.condition(replace(asked, guidance_scale=None), problem, device)
        return Condition(given={**condition.given, "timestep_cond": embedded(scale - 1, self.width).to(device)})

    def modules(self) -> Mapping[str, nn.Module]:
        return self.text.modules()


def embedded(w: float, width: int) -> Tensor:
    """Sines and cosines of 1000 w at frequencies 10000^(-i / (half - 1)), i < half = width // 2; (1, width)."""
    half = width // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float32) / (half - 1))
    angles = 1000 * w * frequencies[None]
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))
