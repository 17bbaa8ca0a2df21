"""Errors of half precision in latent priors, of tiny networks with random weights in the shapes of Stable Diffusion's.

Of a codec: the spread of errors over that of what it returns. Of D: over that of latents, 1, at some levels of noise.
"""

from __future__ import annotations

import copy
import warnings

import torch

LEVELS = (0.03, 0.3, 1.0, 4.0, 14.6)
KINDS = (torch.float16, torch.bfloat16)


def main() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        torch.manual_seed(0)
        widths = (32, 64, 128, 128)
        codec = diffusers.AutoencoderKL(
            block_out_channels=widths,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
        ).eval()
        network = diffusers.UNet2DConditionModel(block_out_channels=widths, sample_size=8, cross_attention_dim=32).eval()
    z, words, picture = torch.randn(2, 4, 8, 8), torch.randn(2, 8, 32), torch.rand(2, 3, 64, 64) * 2 - 1
    columns = [f"{name}, {level:g}" for level in LEVELS for name in ("noise", "v")]
    print("| dtype | decoding | encoding | " + " | ".join(columns) + " |")
    print("|---" * (3 + len(columns)) + "|")
    with torch.no_grad():
        exact = codec.decode(z).sample, codec.encode(picture).latent_dist.mode(), network(z, 500, words).sample
        for kind in KINDS:
            half, asked = copy.deepcopy(codec).to(kind), copy.deepcopy(network).to(kind)
            found = (
                half.decode(z.to(kind)).sample,
                half.encode(picture.to(kind)).latent_dist.mode(),
                asked(z.to(kind), 500, words.to(kind)).sample,
            )
            decoding, encoding, output = (float((a.float() - b).std() / b.std()) for a, b in zip(found, exact, strict=True))
            # What a trained network returns has a spread of 1, and enters D with the factor sigma, or that of a velocity.
            errors = [output * factor for level in LEVELS for factor in (level, level / (1 + level**2) ** 0.5)]
            numbers = " | ".join(f"{number:.4f}" for number in (decoding, encoding, *errors))
            print(f"| {str(kind).removeprefix('torch.')} | {numbers} |", flush=True)
    return 0
