"""PixArt-alpha and -sigma: transformers on latents, conditioned on text by T5 (Chen et al. 2023, 2310.00426)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from restore.priors.latent.conditional import Conditional
from restore.priors.latent.latent import Latent
from restore.priors.loaders.pipelines.chain import check_channels, prior_of
from restore.priors.loaders.pipelines.codecs import codec_of
from restore.priors.loaders.pipelines.parts import Parts, WithKeywords
from restore.priors.loaders.pipelines.text import Text, pipeline_of
from restore.priors.prior import Prior

SCALE = 4.5  # Of classifier-free guidance, diffusers' default.


def load(parts: Parts) -> Prior:
    """PixArtAlphaPipeline and PixArtSigmaPipeline; the larger alpha is told the picture's size."""
    codec = codec_of(parts)
    network = parts.network("transformer", "PixArtTransformer2DModel", "Transformer2DModel")
    check_channels(parts, network, codec.channels, "its codec")
    # As diffusers decides it.
    sized = parts.index["_class_name"] == "PixArtAlphaPipeline" and network.config.sample_size == 128
    encoder, tokenizer = parts.text_encoder("text_encoder"), parts.tokenizer("tokenizer")
    pipeline = pipeline_of(
        str(parts.index["_class_name"]),
        vae=codec.network,
        transformer=network,
        scheduler=None,
        text_encoder=encoder,
        tokenizer=tokenizer,
    )
    own = network.config.sample_size * codec.factor

    def encode(
        prompt: str, negative: str | None, size: tuple[int, int] | None, device: torch.device
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        given, mask, nothing, nothing_mask = pipeline.encode_prompt(
            prompt, do_classifier_free_guidance=True, negative_prompt=negative or "", device=device
        )
        height, width = (own, own) if size is None else size
        shape = {
            "resolution": torch.tensor([[float(height), float(width)]], device=device),
            "aspect_ratio": torch.tensor([[float(height / width)]], device=device),
        }
        told = shape if sized else {}
        return (
            {"encoder_hidden_states": given, "encoder_attention_mask": mask, **told},
            {"encoder_hidden_states": nothing, "encoder_attention_mask": nothing_mask, **told},
        )

    names = ("resolution", "aspect_ratio")
    renamed = {name: f"added_cond_kwargs.{name}" for name in names}
    fixed = {} if sized else {"added_cond_kwargs": dict.fromkeys(names)}
    prior = prior_of(
        parts,
        WithKeywords(network, renamed, fixed),
        channels=codec.channels,
        multiple_of=network.config.patch_size,
        outputs=network.config.out_channels,
    )
    return Latent(Conditional(prior, Text(encode, {"text_encoder": encoder}, SCALE)), codec)
