"""The fields of diffusers' configs that matter here: those of a `UNet2DModel`, and those of schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restore.errors import PriorError
from restore.priors.loaders.fields import Choice, Either, Flag, Kind, Listed, Number, Text, Whole, optional

LEVELS, LAYERS = 10, 64
SIDE = Whole(1, 2**16)
WIDTH = Whole(1, 2**16)

UNET: dict[str, Kind] = {
    "sample_size": optional(Either((SIDE, Listed(SIDE, 2, 2)))),
    "in_channels": Choice((1, 3)),
    "out_channels": Whole(1, 6),
    "center_input_sample": Flag(),
    "time_embedding_type": Choice(("positional", "fourier")),
    "time_embedding_dim": optional(WIDTH),
    "freq_shift": Number(0, 1),
    "flip_sin_to_cos": Flag(),
    "down_block_types": Listed(Text(), 1, LEVELS),
    "mid_block_type": optional(Choice(("UNetMidBlock2D",))),
    "up_block_types": Listed(Text(), 1, LEVELS),
    "block_out_channels": Listed(WIDTH, 1, LEVELS),
    "layers_per_block": Whole(1, LAYERS),
    "mid_block_scale_factor": Number(1e-3, 1e3),
    "downsample_padding": Whole(0, 1),
    "downsample_type": Choice(("conv", "resnet")),
    "upsample_type": Choice(("conv", "resnet")),
    "dropout": Number(0, 0.99),
    "act_fn": Choice(("swish", "silu", "mish", "gelu", "relu")),
    "attention_head_dim": optional(WIDTH),
    "norm_num_groups": Whole(1, 2**16),
    "attn_norm_num_groups": optional(Whole(1, 2**16)),
    "norm_eps": Number(1e-12, 0.1),
    "resnet_time_scale_shift": Choice(("default", "scale_shift")),
    "add_attention": Flag(),
    "class_embed_type": optional(Text()),
    "num_class_embeds": optional(Whole(1, 2**20)),
    "num_train_timesteps": optional(Whole(2, 10**5)),
}
# A DDPM's, in all the schedulers of such a chain.
CHAIN: dict[str, Kind] = {
    "num_train_timesteps": Whole(2, 10**5),
    "beta_start": Number(0, 1),
    "beta_end": Number(0, 1),
    "beta_schedule": Text(),
    "trained_betas": optional(Listed(Number(0, 1), 2, 10**5)),
    "rescale_betas_zero_snr": optional(Flag()),
    "timestep_spacing": optional(Text()),
    "prediction_type": optional(Text()),
    "predict_epsilon": optional(Flag()),
    "variance_type": optional(Text()),
    "thresholding": optional(Flag()),
    "clip_sample": optional(Flag()),
    "clip_sample_range": Number(1e-3, 1e3),
}
# Of schedulers with the preconditioning of EDM.
PRECONDITIONED: dict[str, Kind] = {
    "sigma_min": Number(1e-6, 10),
    "sigma_max": Number(1e-3, 1e5),
    "sigma_data": Number(1e-3, 1e3),
    "prediction_type": Choice(("epsilon", "v_prediction")),
}
EXPLODING: dict[str, Kind] = {"sigma_min": Number(1e-6, 500), "sigma_max": Number(1e-3, 5e6)}
NAMED: dict[str, Kind] = {"_class_name": Text()}


def check_unet(config: Mapping[str, Any], where: str) -> None:
    """Check what fields of a `UNet2DModel` must be together. Raises PriorError."""
    lengths = {
        name: len(config[name]) for name in ("block_out_channels", "down_block_types", "up_block_types") if name in config
    }
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise PriorError(f"{where}: one value for each level is needed, got {told}")
    if config.get("class_embed_type") is not None or config.get("num_class_embeds") is not None:
        raise PriorError(f"{where} is class-conditional; give an unconditional network")
