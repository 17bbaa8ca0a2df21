"""Training data of priors on latents: codes of crops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError, UsageError
from restore.priors.loaders import codec_folder
from restore.priors.loaders import folder as model_folder
from restore.priors.loaders.hub import read_json
from restore.priors.loaders.pipelines.codecs import DiffusersCodec
from restore.training.data import CPU, Crops
from restore.wording import called

MEASURED, PART = 2048, 64  # Crops whose latents are measured, and how many are encoded at once.
STD = 0.5  # Of latents as the prior sees them: about that of pictures in [-1, 1], which every family's levels are made for.


@dataclass(frozen=True)
class LatentCrops:
    """Codes of random crops, z = E(x), scaled and shifted; otherwise as `Crops`.

    Attributes:
        crops: of pictures.
        codec: of diffusers.
    """

    crops: Crops
    codec: DiffusersCodec

    @torch.no_grad()
    def batch(self, count: int, seed: int, step: int, process: int = 0, device: torch.device = CPU) -> Tensor:
        """(count, channels, size / factor, size / factor) float32 on `device`."""
        self.codec.network.to(device)
        if not self.crops.fixed:
            return self.codec.encode(self.crops.batch(count, seed, step, process, device))
        which = torch.from_numpy(self.crops.chosen(count, seed, step, process))
        return self._codes[which].to(device)

    def classes(self, count: int, seed: int, step: int, process: int = 0, device: torch.device = CPU) -> Tensor | None:
        return self.crops.classes(count, seed, step, process, device)

    @cached_property
    def _codes(self) -> Tensor:
        """(N, channels, h, w) on the CPU, of pictures that are always seen whole: encoding takes as long as a step."""
        device = next(self.codec.network.parameters()).device
        parts = [self.codec.encode(part.to(device)).cpu() for part in self.crops.whole().split(PART)]
        return torch.cat(parts)


@torch.no_grad()
def normalised(codec: DiffusersCodec, crops: Crops, seed: int) -> dict[str, list[float]]:
    """The scale and shift by which latents of each channel have mean 0 and standard deviation 0.5, from crops.

    Returns: `scale` and `shift`, as `DiffusersCodec` takes them, rounded to six digits.

    Raises: PriorError if a channel does not vary, or latents are not finite.
    """
    parts = [codec.encode(crops.batch(PART, seed, step)) for step in range(MEASURED // PART)]
    latents = torch.cat(parts).double()
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    if not bool((std > 1e-4).all() & std.isfinite().all()):
        raise PriorError(
            "the codec's latents do not vary with the picture, or are not finite; train it longer or choose another"
        )
    return {
        "scale": [float(f"{STD / value:.6g}") for value in std.tolist()],
        "shift": [float(f"{value:.6g}") for value in mean.tolist()],
    }


def load_codec(name: str, channels: int, size: int) -> DiffusersCodec:
    """The codec of `--latent`, its latents as they are.

    Raises: PriorError if it is missing or damaged; UsageError if it does not fit pictures of these channels and size.
    """
    codec = codec_folder.load(Path(name), scale=1.0, shift=0.0)
    if codec.picture_channels != channels:
        raise UsageError(
            f"{called('latent', name)}: its codec is for {codec.picture_channels} channel(s); give {called('channels')} so"
        )
    if size % codec.factor:
        raise UsageError(
            f"{called('latent', name)}: its cells have {codec.factor} pixels a side, and {called('size', size)} is no multiple"
        )
    return codec


def scaled(codec: DiffusersCodec, settings: dict[str, Any]) -> DiffusersCodec:
    """The same codec with a scale and shift."""
    return DiffusersCodec(codec.network, codec.channels, codec.factor, **settings)


def settings_of(codec: DiffusersCodec, crops: Crops, seed: int, out: Path, resume: bool) -> dict[str, list[float]]:
    """The scale and shift of a run: those of the run in `out` if it is resumed, else of the data.

    Raises: PriorError if the run in `out` is on latents of another codec, or of none.
    """
    kept = out / model_folder.CONFIG
    if not (resume and kept.is_file()):
        return normalised(codec, crops, seed)
    found = read_json(kept)
    if "codec" not in found:
        raise PriorError(f"{out} holds a run on pixels; it cannot be resumed with {called('latent')}")
    before = codec_folder.load(out / model_folder.CODEC).network.state_dict()
    given = codec.network.state_dict()
    if before.keys() != given.keys() or not all(torch.equal(value, given[name]) for name, value in before.items()):
        raise PriorError(f"{out} holds a run on latents of another codec; give that one, or {out / model_folder.CODEC}")
    told: dict[str, list[float]] = found["codec"]
    return told
