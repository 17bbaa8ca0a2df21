"""Tiny pipelines of diffusers with random weights, in the layouts of the published ones."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own dependencies warn while they are imported.
    import diffusers

WIDTH = 32  # Of text encodings.
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def tokenizer(folder: Path) -> Any:
    """A CLIP tokenizer whose words are single letters."""
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "ab", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=16)


def text_encoder(words: int, *, projected: bool = False) -> Any:
    import transformers

    torch.manual_seed(1)
    config = transformers.CLIPTextConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=16,
        projection_dim=WIDTH,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return kind(config).eval()


def kl(**changes: Any) -> Any:
    """A variational autoencoder of cells of 2x2 pixels."""
    torch.manual_seed(2)
    config = {
        "block_out_channels": (32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 4,
        "norm_num_groups": 8,
        "sample_size": 32,
        **changes,
    }
    return diffusers.AutoencoderKL(**config)


def unet(**changes: Any) -> Any:
    """A U-Net conditioned on text."""
    torch.manual_seed(3)
    config = {
        "block_out_channels": (32, 32),
        "layers_per_block": 1,
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
        **changes,
    }
    return diffusers.UNet2DConditionModel(**config)


def ddim(**changes: Any) -> Any:
    """A scheduler whose last step goes to level 0, as runs here end."""
    return diffusers.DDIMScheduler(
        **{**SCHEDULER, "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 1, **changes}
    )


def stable_diffusion(folder: Path, *, prediction: str = "epsilon", channels: int = 4) -> Any:
    """Stable Diffusion 1.x or 2.x, saved in a folder; with 9 channels that of inpainting."""
    words = tokenizer(folder.parent / "words")
    kind = diffusers.StableDiffusionPipeline if channels == 4 else diffusers.StableDiffusionInpaintPipeline
    pipeline = kind(
        vae=kl(),
        text_encoder=text_encoder(len(words)),
        tokenizer=words,
        unet=unet(in_channels=channels),
        scheduler=ddim(prediction_type=prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return saved(pipeline, folder)


def saved(pipeline: Any, folder: Path) -> Any:
    """The pipeline, written as published ones are: tokenizers as the vocabulary and merges that they were made of."""
    words = folder.parent / "words"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.save_pretrained(folder)
    for place in folder.glob("tokenizer*"):
        if (place / "tokenizer.json").exists() and words.exists():
            (place / "tokenizer.json").unlink()
            for name in ("vocab.json", "merges.txt"):
                shutil.copy(words / name, place / name)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
