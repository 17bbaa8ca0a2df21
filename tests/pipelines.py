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


def xl(folder: Path, *, channels: int = 4) -> Any:
    """Stable Diffusion XL; with 9 channels that of inpainting."""
    words = tokenizer(folder.parent / "words")
    ids = 8  # Width of each of the six numbers that say the picture's size.
    network = unet(
        in_channels=channels,
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=ids,
        projection_class_embeddings_input_dim=6 * ids + WIDTH,
        use_linear_projection=True,
    )
    kind = diffusers.StableDiffusionXLPipeline if channels == 4 else diffusers.StableDiffusionXLInpaintPipeline
    pipeline = kind(
        vae=kl(),
        text_encoder=text_encoder(len(words)),
        text_encoder_2=text_encoder(len(words), projected=True),
        tokenizer=words,
        tokenizer_2=words,
        unet=network,
        scheduler=ddim(),
        add_watermarker=False,
    )
    return saved(pipeline, folder)


def sd3(folder: Path) -> Any:
    """Stable Diffusion 3 without its third encoder."""
    words = tokenizer(folder.parent / "words")
    torch.manual_seed(3)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=2 * WIDTH,
    )
    pipeline = diffusers.StableDiffusion3Pipeline(
        vae=kl(scaling_factor=1.5, shift_factor=0.06),
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=text_encoder(len(words), projected=True),
        text_encoder_2=text_encoder(len(words), projected=True),
        text_encoder_3=None,
        tokenizer=words,
        tokenizer_2=words,
        tokenizer_3=None,
    )
    return saved(pipeline, folder)


def upscaler(folder: Path) -> Any:
    """Stable Diffusion's x4 upscaler, here of x2."""
    words = tokenizer(folder.parent / "words")
    pipeline = diffusers.StableDiffusionUpscalePipeline(
        vae=kl(scaling_factor=0.08333),
        text_encoder=text_encoder(len(words)),
        tokenizer=words,
        unet=unet(in_channels=7, num_class_embeds=1000),
        low_res_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", num_train_timesteps=1000),
        scheduler=ddim(prediction_type="v_prediction"),
        safety_checker=None,
        watermarker=None,
        feature_extractor=None,
    )
    return saved(pipeline, folder)


def vq(**changes: Any) -> Any:
    torch.manual_seed(2)
    config = {
        "block_out_channels": (32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 3,
        "num_vq_embeddings": 64,
        "norm_num_groups": 8,
        **changes,
    }
    return diffusers.VQModel(**config)


def plain_unet(**changes: Any) -> Any:
    """A U-Net without text."""
    torch.manual_seed(3)
    config = {
        "sample_size": 16,
        "block_out_channels": (32, 32),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        **changes,
    }
    return diffusers.UNet2DModel(**config)


def ldm(folder: Path) -> Any:
    """Unconditional latent diffusion."""
    return saved(diffusers.LDMPipeline(vqvae=vq(), unet=plain_unet(), scheduler=ddim()), folder)


def ldm_super_resolution(folder: Path) -> Any:
    """Latent diffusion that enlarges, here twice."""
    network = plain_unet(in_channels=6)
    return saved(diffusers.LDMSuperResolutionPipeline(vqvae=vq(), unet=network, scheduler=ddim()), folder)


def dit(folder: Path) -> Any:
    """A class-conditional transformer of ten classes, the eleventh standing for none."""
    torch.manual_seed(3)
    transformer = diffusers.DiTTransformer2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_zero",
        norm_elementwise_affine=False,
    )
    with torch.no_grad():  # The last layers of a new one are 0.
        for weights in transformer.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    pipeline = saved(diffusers.DiTPipeline(transformer=transformer, vae=kl(), scheduler=ddim()), folder)
    index = folder / "model_index.json"
    transformer.eval()
    names = {"7": "cock", "207": "golden retriever, retriever"}
    index.write_text(json.dumps({**json.loads(index.read_text()), "id2label": names}))
    return pipeline


def with_classes(folder: Path) -> Any:
    """A network on pixels that is told one of ten classes."""
    return saved(diffusers.DDIMPipeline(unet=plain_unet(num_class_embeds=10), scheduler=ddim()), folder)


def consistency(folder: Path, *, classes: int | None = None) -> Any:
    network = plain_unet(num_class_embeds=classes)
    scheduler = diffusers.CMStochasticIterativeScheduler()
    return saved(diffusers.ConsistencyModelPipeline(unet=network, scheduler=scheduler), folder)


def lcm(folder: Path) -> Any:
    """A latent consistency model."""
    words = tokenizer(folder.parent / "words")
    pipeline = diffusers.LatentConsistencyModelPipeline(
        vae=kl(),
        text_encoder=text_encoder(len(words)),
        tokenizer=words,
        unet=unet(time_cond_proj_dim=32),
        scheduler=diffusers.LCMScheduler(**SCHEDULER, clip_sample=False, set_alpha_to_one=True),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return saved(pipeline, folder)


def t5(folder: Path) -> tuple[Any, Any]:
    """A T5 encoder and a tokenizer of single letters."""
    import tokenizers
    import transformers

    letters = [chr(code) for code in range(97, 123)]
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"\u2581{one}", -2.0) for one in letters)]
    words += [(one, -3.0) for one in letters]
    made = tokenizers.Tokenizer(tokenizers.models.Unigram(words, unk_id=2))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "T5TokenizerFast", "model_max_length": 16, "extra_ids": 0}
    (folder / "tokenizer_config.json").write_text(json.dumps({**told, "pad_token": "<pad>", "eos_token": "</s>"}))
    torch.manual_seed(1)
    config = transformers.T5Config(
        vocab_size=len(words), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    return transformers.T5EncoderModel(config).eval(), transformers.T5TokenizerFast.from_pretrained(folder)


def flux(folder: Path, *, dev: bool = True) -> Any:
    """FLUX.1 dev or schnell."""
    words, (encoder, pieces) = tokenizer(folder.parent / "words"), t5(folder.parent / "t5")
    torch.manual_seed(3)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=[4, 4, 8],
        guidance_embeds=dev,
    )
    shift = {"use_dynamic_shifting": True} if dev else {"shift": 1.0}
    pipeline = diffusers.FluxPipeline(
        vae=kl(scaling_factor=0.36, shift_factor=0.12),
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(**shift),
        text_encoder=text_encoder(len(words)),
        text_encoder_2=encoder,
        tokenizer=words,
        tokenizer_2=pieces,
    )
    return saved(pipeline, folder)


def pixart(folder: Path, *, sized: bool = False, kind: str = "Alpha") -> Any:
    """PixArt, alpha's with or without the picture's size as a condition."""
    encoder, pieces = t5(folder.parent / "t5")
    torch.manual_seed(3)
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=128 if sized else 16,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=WIDTH,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=24,
        use_additional_conditions=sized,
    )
    with torch.no_grad():
        for weights in transformer.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    pipeline = getattr(diffusers, f"PixArt{kind}Pipeline")(
        transformer=transformer.eval(), vae=kl(), scheduler=ddim(), text_encoder=encoder, tokenizer=pieces
    )
    return saved(pipeline, folder)


def saved(pipeline: Any, folder: Path) -> Any:
    """The pipeline, written as published ones are: tokenizers as the vocabulary and merges that they were made of."""
    words = folder.parent / "words"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.save_pretrained(folder)
    for place in folder.glob("tokenizer*"):
        if "CLIP" in (place / "tokenizer_config.json").read_text() and words.exists():
            (place / "tokenizer.json").unlink(missing_ok=True)  # Old tokenizers write none.
            for name in ("vocab.json", "merges.txt"):
                shutil.copy(words / name, place / name)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
