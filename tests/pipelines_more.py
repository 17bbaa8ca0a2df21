"""More tiny pipelines of diffusers with random weights: those of `pipelines` with other schedulers, and rarer kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pipelines import SCHEDULER, WIDTH, diffusers, kl, saved, t5, text_encoder, tokenizer, unet

EDM = {"euler": diffusers.EDMEulerScheduler, "multistep": diffusers.EDMDPMSolverMultistepScheduler}
IDS = 8  # Width of each of the numbers that XL is told of a picture.


def with_scheduler(folder: Path, scheduler: Any) -> Any:
    """Stable Diffusion with another scheduler."""
    words = tokenizer(folder.parent / "words")
    pipeline = diffusers.StableDiffusionPipeline(
        vae=kl(),
        text_encoder=text_encoder(len(words)),
        tokenizer=words,
        unet=unet(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return saved(pipeline, folder)


def turbo(folder: Path) -> Any:
    """SD-Turbo: few steps, the last of them far above no noise, without classifier-free guidance."""
    spacing = {"timestep_spacing": "trailing", "steps_offset": 1}
    return with_scheduler(folder, diffusers.EulerAncestralDiscreteScheduler(**SCHEDULER, **spacing))


def to_noise(folder: Path) -> Any:
    """A chain that ends in pure noise, for a velocity."""
    spacing = {"timestep_spacing": "trailing", "steps_offset": 1}
    changes = {**spacing, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    return with_scheduler(folder, diffusers.EulerDiscreteScheduler(**SCHEDULER, **changes))


def told_size(numbers: int, **changes: Any) -> Any:
    """A network of XL that is told some numbers of the picture."""
    return unet(
        addition_embed_type="text_time",
        addition_time_embed_dim=IDS,
        projection_class_embeddings_input_dim=numbers * IDS + WIDTH,
        use_linear_projection=True,
        **changes,
    )


def preconditioned(folder: Path, *, solver: str = "euler", prediction: str = "epsilon") -> Any:
    """Playground 2.5: XL with the preconditioning of EDM, on latents that are scaled by channel."""
    words = tokenizer(folder.parent / "words")
    others = {"solver_order": 1} if solver == "multistep" else {}
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=kl(latents_mean=[-1.6, 2.3, 0.4, -0.1], latents_std=[8.4, 5.9, 5.3, 4.2], scaling_factor=0.5),
        text_encoder=text_encoder(len(words)),
        text_encoder_2=text_encoder(len(words), projected=True),
        tokenizer=words,
        tokenizer_2=words,
        unet=told_size(6, cross_attention_dim=2 * WIDTH),
        scheduler=EDM[solver](sigma_max=60.0, sigma_data=0.7, prediction_type=prediction, **others),
        add_watermarker=False,
    )
    return saved(pipeline, folder)


def refiner(folder: Path) -> Any:
    """XL's refiner: the second text encoder, and a score of aesthetics."""
    words = tokenizer(folder.parent / "words")
    scheduler = diffusers.DDIMScheduler(**SCHEDULER, clip_sample=False, set_alpha_to_one=True, steps_offset=1)
    pipeline = diffusers.StableDiffusionXLImg2ImgPipeline(
        vae=kl(),
        text_encoder=None,
        text_encoder_2=text_encoder(len(words), projected=True),
        tokenizer=None,
        tokenizer_2=words,
        unet=told_size(5, cross_attention_dim=WIDTH),
        scheduler=scheduler,
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    return saved(pipeline, folder)


def gemma(folder: Path) -> tuple[Any, Any]:
    """A Gemma 2 and a tokenizer of single letters."""
    import tokenizers
    import transformers

    names = ["<pad>", "<eos>", "<bos>", "<unk>", "\u2581", *(chr(code) for code in range(33, 127))]
    made = tokenizers.Tokenizer(tokenizers.models.BPE({one: index for index, one in enumerate(names)}, [], unk_token="<unk>"))
    made.normalizer = tokenizers.normalizers.Replace(" ", "\u2581")
    made.post_processor = tokenizers.processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    special = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GemmaTokenizer", **special}))
    torch.manual_seed(1)
    config = transformers.Gemma2Config(
        vocab_size=len(names),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    return transformers.Gemma2Model(config).eval(), transformers.GemmaTokenizerFast.from_pretrained(folder)


def dc() -> Any:
    """A deep-compression autoencoder of cells of 2x2 pixels."""
    torch.manual_seed(2)
    kinds, widths, blocks, scales = ("ResBlock", "EfficientViTBlock"), (8, 8), (1, 1), ((), (5,))
    return diffusers.AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=kinds,
        decoder_block_types=kinds,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=blocks,
        decoder_layers_per_block=blocks,
        encoder_qkv_multiscales=scales,
        decoder_qkv_multiscales=scales,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
    )


def sana(folder: Path, *, scheduler: str = "chain") -> Any:
    """Sana, with the scheduler of its published models, or that of other flows."""
    encoder, words = gemma(folder.parent / "gemma")
    torch.manual_seed(3)
    transformer = diffusers.SanaTransformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=16,
    )
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0, "solver_order": 1}
    chosen = (
        diffusers.DPMSolverMultistepScheduler(**flow)
        if scheduler == "chain"
        else diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    )
    pipeline = diffusers.SanaPipeline(
        tokenizer=words, text_encoder=encoder, vae=dc(), transformer=transformer.eval(), scheduler=chosen
    )
    return saved(pipeline, folder)


def floyd_network(**changes: Any) -> Any:
    """A U-Net on pixels as DeepFloyd's: text is projected, and enters the time's embedding too."""
    config = {
        "in_channels": 3,
        "out_channels": 6,
        "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "resnet_time_scale_shift": "scale_shift",
        "only_cross_attention": True,
        "cross_attention_norm": "group_norm",
        "encoder_hid_dim": WIDTH,
        "encoder_hid_dim_type": "text_proj",
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 2,
        "act_fn": "gelu",
        **changes,
    }
    return unet(**config)


def solver() -> Any:
    """DDIM's steps, with thresholds of D as DeepFloyd's, here at 1."""
    thresholds = {"thresholding": True, "dynamic_thresholding_ratio": 0.95, "sample_max_value": 1.0}
    chain = {"beta_schedule": "squaredcos_cap_v2", "solver_order": 1, "final_sigmas_type": "zero"}
    return diffusers.DPMSolverMultistepScheduler(**chain, **thresholds)


def floyd(folder: Path, *, clip: bool = False, learned: bool = True) -> Any:
    """The first stage of DeepFloyd IF, with its ancestral scheduler or a solver's of order 1."""
    encoder, pieces = t5(folder.parent / "t5")
    chain = {"beta_schedule": "squaredcos_cap_v2", "clip_sample": clip}
    scheduler = diffusers.DDPMScheduler(**chain, variance_type="learned_range") if learned else solver()
    pipeline = diffusers.IFPipeline(
        tokenizer=pieces,
        text_encoder=encoder,
        unet=floyd_network(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
    return saved(pipeline, folder)


def floyd_enlarging(folder: Path) -> Any:
    """The second stage of DeepFloyd IF."""
    encoder, pieces = t5(folder.parent / "t5")
    pipeline = diffusers.IFSuperResolutionPipeline(
        tokenizer=pieces,
        text_encoder=encoder,
        unet=floyd_network(in_channels=6, class_embed_type="timestep", sample_size=32),
        scheduler=solver(),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
    return saved(pipeline, folder)
