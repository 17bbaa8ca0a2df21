"""Memory that Stable Diffusion 1.5, 2 inpainting and XL need, from the shapes of their networks, without their weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from restore.device.memory import spell
from restore.planning.activation_memory import Live


class Model(NamedTuple):
    """The shapes of a published pipeline.

    Attributes:
        unet: what differs from the U-Net of 1.5.
        encoders: (width, layers, heads) of its text encoders.
        side: pixels a side that it was trained at.
    """

    name: str
    unet: dict[str, Any]
    encoders: tuple[tuple[int, int, int], ...]
    side: int


V1 = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
LINEAR = {"use_linear_projection": True}
XL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
MODELS = (
    Model("1.5", V1, ((768, 12, 12),), 512),
    Model(
        "2 inpainting",
        {**V1, **LINEAR, "in_channels": 9, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20]},
        ((1024, 23, 16),),
        512,
    ),
    Model("XL", {**XL, **LINEAR}, ((768, 12, 12), (1280, 32, 20)), 1024),
)
WORDS = 77
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


def main() -> int:
    print("| model | size | network | codec | text | in all, float32 | network float16 | guided step | decoding | gradient |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for model in MODELS:
        with warnings.catch_warnings(), FakeTensorMode():
            warnings.simplefilter("ignore")
            print(row(model))
    return 0


def row(model: Model) -> str:
    """One line of the table: numbers of weights, their bytes, and peak bytes of activations in float32."""
    import diffusers
    import transformers

    network = diffusers.UNet2DConditionModel(**model.unet).eval().requires_grad_(False)
    codec = diffusers.AutoencoderKL(**VAE).eval().requires_grad_(False)
    texts = [
        transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads
            )
        )
        for width, layers, heads in model.encoders
    ]
    weights = [sum(part.numel() for part in module.parameters()) for module in (network, codec)]
    text = sum(part.numel() for module in texts for part in module.parameters())
    side, cells = model.side, model.side // 8
    given: dict[str, Any] = {"encoder_hidden_states": torch.zeros(2, WORDS, network.config.cross_attention_dim)}
    if "addition_embed_type" in model.unet:
        given["added_cond_kwargs"] = {"text_embeds": torch.zeros(2, 1280), "time_ids": torch.zeros(2, 6)}

    def denoised(z: Tensor) -> Tensor:
        more = network.config.in_channels - z.shape[1]
        beside = [torch.zeros(len(z), more, cells, cells)] if more else []
        pair = torch.cat([torch.cat([z, *beside], dim=1)] * 2)
        answer = network(pair, torch.ones(2), **given).sample
        return z - (answer[:1] + 7.5 * (answer[1:] - answer[:1]))

    def decoded(z: Tensor) -> Tensor:
        return codec.decode(z).sample

    step, picture = (peak(call, cells) for call in (denoised, decoded))
    both = peak(lambda z: decoded(denoised(z)), cells, graph=True)
    whole = 4 * (sum(weights) + text)
    millions = [f"{count / 1e6:.0f} M" for count in (*weights, text)]
    half = whole - 2 * weights[0]
    sizes = [spell(size) for size in (whole, half, step, picture, both)]
    return "| " + " | ".join([model.name, f"{side}x{side}", *millions, *sizes]) + " |"


def peak(call: Callable[[Tensor], Tensor], cells: int, *, graph: bool = False) -> int:
    """Peak bytes of a call's tensors for one picture, with or without a gradient through it."""
    with Live() as live, torch.set_grad_enabled(graph):
        z = torch.zeros(1, 4, cells, cells).requires_grad_(graph)
        answer = call(z)
        if graph:
            torch.autograd.grad(answer, z, torch.ones_like(answer))
        del answer
    return live.peak
