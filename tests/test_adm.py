"""The network of guided-diffusion: it answers what diffusers' own blocks answer with the same weights."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from restore.errors import PriorError
from restore.networks.adm import ADM, timestep_embedding

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own dependencies warn while they are imported.
    import diffusers

HEAD = 16


def small(**changes: Any) -> ADM:
    torch.manual_seed(0)
    arguments = {
        "widths": (32, 64, 64),
        "time_width": 32,
        "blocks": 2,
        "attention": (1, 2),
        "head_channels": HEAD,
        **changes,
    }
    network = ADM(**arguments).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, dtype=torch.float64))
    return network


def counterpart(network: ADM, *, resample_blocks: bool, scale_shift: bool) -> Any:
    """diffusers' network of the same architecture, with the same weights under its own names."""
    kind = "resnet" if resample_blocks else "conv"
    other = diffusers.UNet2DModel(
        out_channels=6,
        block_out_channels=(32, 64, 64),
        down_block_types=(
            "ResnetDownsampleBlock2D" if resample_blocks else "DownBlock2D",
            "AttnDownBlock2D",
            "AttnDownBlock2D",
        ),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D" if resample_blocks else "UpBlock2D"),
        layers_per_block=2,
        attention_head_dim=HEAD,
        resnet_time_scale_shift="scale_shift" if scale_shift else "default",
        downsample_type=kind,
        upsample_type=kind,
        attn_norm_num_groups=32,
    ).double()
    ours = network.state_dict()
    theirs: dict[str, Tensor] = {}

    def copy(source: str, target: str) -> None:
        for part in ("weight", "bias"):
            theirs[f"{target}.{part}"] = ours[f"{source}.{part}"]

    def block(source: str, target: str) -> None:
        names = {"in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj"}
        names |= {"out_layers.0": "norm2", "out_layers.3": "conv2"}
        for mine, their in names.items():
            copy(f"{source}.{mine}", f"{target}.{their}")
        if f"{source}.skip_connection.weight" in ours:
            copy(f"{source}.skip_connection", f"{target}.conv_shortcut")

    def attention(source: str, target: str) -> None:
        copy(f"{source}.norm", f"{target}.group_norm")
        for part in ("weight", "bias"):
            rows = ours[f"{source}.qkv.{part}"].flatten(1) if part == "weight" else ours[f"{source}.qkv.{part}"]
            heads = rows.reshape(-1, 3, HEAD, *rows.shape[1:])  # Queries, keys and values of one head lie together.
            for index, name in enumerate(("to_q", "to_k", "to_v")):
                theirs[f"{target}.{name}.{part}"] = heads[:, index].flatten(0, 1)
        theirs[f"{target}.to_out.0.weight"] = ours[f"{source}.proj_out.weight"][..., 0]
        theirs[f"{target}.to_out.0.bias"] = ours[f"{source}.proj_out.bias"]

    for source, target in (("time_embed.0", "time_embedding.linear_1"), ("time_embed.2", "time_embedding.linear_2")):
        copy(source, target)
    for source, target in (("input_blocks.0.0", "conv_in"), ("out.0", "conv_norm_out"), ("out.2", "conv_out")):
        copy(source, target)
    block("middle_block.0", "mid_block.resnets.0")
    attention("middle_block.1", "mid_block.attentions.0")
    block("middle_block.2", "mid_block.resnets.1")
    for level in range(3):
        for index in range(2):
            block(f"input_blocks.{1 + 3 * level + index}.0", f"down_blocks.{level}.resnets.{index}")
            if level:
                attention(f"input_blocks.{1 + 3 * level + index}.1", f"down_blocks.{level}.attentions.{index}")
        for index in range(3):
            block(f"output_blocks.{3 * level + index}.0", f"up_blocks.{level}.resnets.{index}")
            if level < 2:
                attention(f"output_blocks.{3 * level + index}.1", f"up_blocks.{level}.attentions.{index}")
        if level < 2:
            down, up = f"input_blocks.{3 + 3 * level}.0", f"output_blocks.{3 * level + 2}.2"
            if resample_blocks:
                block(down, f"down_blocks.{level}.downsamplers.0")
                block(up, f"up_blocks.{level}.upsamplers.0")
            else:
                copy(f"{down}.op", f"down_blocks.{level}.downsamplers.0.conv")
                copy(f"{up}.conv", f"up_blocks.{level}.upsamplers.0.conv")
    other.load_state_dict(theirs)
    return other.eval()


@pytest.mark.parametrize("scale_shift", [True, False])
@pytest.mark.parametrize("resample_blocks", [True, False])
def test_it_answers_what_diffusers_answers_with_the_same_weights(resample_blocks: bool, scale_shift: bool) -> None:
    network = small(resample_blocks=resample_blocks, scale_shift=scale_shift)
    other = counterpart(network, resample_blocks=resample_blocks, scale_shift=scale_shift)
    x, time = (
        torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)).double(),
        torch.tensor([3.0, 777.0]).double(),
    )
    with torch.no_grad():
        found, wanted = network(x, time), other(x, time).sample
        assert found.shape == (2, 6, 16, 24)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
        # And everything in it matters.
        assert (network(x, time + 100) - found).abs().max() > 1e-3


def test_the_timestep_embedding_is_cosines_then_sines_from_fast_to_slow() -> None:
    found = timestep_embedding(torch.tensor([0.0, 5.0]), 6)
    wanted = torch.tensor([5.0, 5.0 * 10000 ** (-1 / 3), 5.0 * 10000 ** (-2 / 3)])
    torch.testing.assert_close(found[0], torch.tensor([1.0, 1, 1, 0, 0, 0]))
    torch.testing.assert_close(found[1], torch.cat([wanted.cos(), wanted.sin()]))


def test_heads_may_be_counted_instead() -> None:
    by_channels, by_number = small(widths=(32, 64), attention=(1,)), small(widths=(32, 64), attention=(1,), heads=4)
    assert [(one.middle_block[1].heads) for one in (by_channels, by_number)] == [4, 4]


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"widths": (48, 96)}, "multiples of 32, got (48, 96)"), ({"head_channels": 40}, "heads of 40")],
)
def test_what_cannot_be_built_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PriorError, match=said.replace("(", r"\(").replace(")", r"\)")):
        small(**changes)
