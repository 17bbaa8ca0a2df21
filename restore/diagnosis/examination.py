"""What is wrong with a picture, measured on the picture alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from restore.compression import artefacts_of, of_compression
from restore.diagnosis.compressed import Compressed, compression_of
from restore.diagnosis.detail import SIDE, Detail, measure_detail
from restore.diagnosis.scratches import find_scratches
from restore.diagnosis.tones import is_gray, is_toned
from restore.noise.measure import LEAST, LOSSY, described, level_of, measured, with_visible

if TYPE_CHECKING:
    from restore.images.picture import Picture
    from restore.noise.model import NoiseModel

SOFT = 0.7  # Pixels; photographs that were reduced are blurred by up to 0.5.
SOFT_AT_BEST = 1.1  # The same where noise or compression hide the finest detail.
DAMAGED = 3e-5  # Share of pixels; less is no more than what is marked by mistake.
TONES, PALE = (
    180.0,
    25.0,
)  # Grey levels: a faded picture spans less from its darkest to its brightest percent, and has no black.


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found.

    Attributes:
        size: (height, width) in pixels.
        noise: None without.
        noise_level: its root mean square in grey levels.
        compressed: None for pictures that show no sign of JPEG.
        is_compression: whether the noise is what compression did.
        detail: blur, and where the spectrum ends.
        gray: one channel, or R = G = B.
        toned: colours are a function of brightness, as in sepia prints.
        darkest, brightest: the percentiles 1 and 99 of brightness, in grey levels.
        damaged: bool (1, 1, H, W), scratches and dust.
    """

    size: tuple[int, int]
    noise: NoiseModel | None
    noise_level: float
    compressed: Compressed | None
    is_compression: bool
    detail: Detail
    gray: bool
    toned: bool
    darkest: float
    brightest: float
    damaged: Tensor

    @property
    def damaged_share(self) -> float:
        """Of pixels, 0 to 1."""
        return float(self.damaged.float().mean())

    @property
    def has_noise(self) -> bool:
        """Whether there is more noise than compression alone leaves."""
        least = LEAST if self.compressed is None else max(LEAST, of_compression(self.compressed.quality))
        return self.noise_level >= least and not self.is_compression

    @property
    def has_artefacts(self) -> bool:
        """Whether it was compressed so far that it may show."""
        return self.compressed is not None and self.compressed.quality < LOSSY

    @property
    def is_soft(self) -> bool:
        """Whether it is blurred by more than a reduction leaves."""
        hidden = self.has_noise or (self.compressed is not None and self.compressed.quality < LOSSY)
        return self.detail.blur >= (SOFT_AT_BEST if hidden else SOFT)

    @property
    def is_faded(self) -> bool:
        return self.brightest - self.darkest < TONES and self.darkest > PALE

    @property
    def is_damaged(self) -> bool:
        return self.damaged_share > DAMAGED

    @property
    def neighbours(self) -> float:
        """The correlation of the noise of neighbouring pixels, in the mean of both directions; 0 without noise."""
        return 0.0 if self.noise is None else self.noise.neighbours

    def findings(self) -> list[str]:
        """In words, what is wrong; nothing for a picture that is as it should be."""
        found = []
        if self.has_noise:
            found.append(self._noise_in_words())
        if self.compressed is not None and self.has_artefacts:
            how = "shows" if self.compressed.estimated else "file"
            found.append(f"JPEG of quality {self.compressed.quality} ({how})")
        if self.compressed is not None and self.compressed.earlier is not None:
            before = self.compressed.earlier
            where = "" if before.same_grid else ", on another grid"
            found.append(f"compressed before, at a quality of about {before.quality}{where}")
        if self.detail.enlarged is not None and self.is_soft:
            found.append(f"enlarged {self.detail.enlarged:.2g} times (its detail ends at {self.detail.end:.0%} of its size)")
        elif self.is_soft:
            found.append(f"blurred by {self.detail.blur:.1f} pixels")
        if self.is_faded:
            found.append(f"faded: tones from {self.darkest:.0f} to {self.brightest:.0f}")
        if self.is_damaged:
            found.append(f"scratches and dust on {100 * self.damaged_share:.2g} % of it")
        return found

    def kind(self) -> str:
        """gray, toned or colour."""
        return "gray" if self.gray else "toned" if self.toned else "colour"

    def to_dict(self) -> dict[str, Any]:
        """As JSON prints it."""
        noise = None
        if self.noise is not None:
            curve = zip(self.noise.levels.tolist(), self.noise.deviation.mean(dim=0).tolist(), strict=True)
            noise = {
                "level": round(self.noise_level, 2),
                "by_brightness": [[round((at + 1) * 127.5, 1), round(value * 127.5, 2)] for at, value in curve],
                "correlation": round(self.neighbours, 2),
            }
        return {
            "width": self.size[1],
            "height": self.size[0],
            "kind": self.kind(),
            "noise": noise,
            "jpeg": None
            if self.compressed is None
            else {
                "quality": self.compressed.quality,
                "estimated": self.compressed.estimated,
                "subsampled": self.compressed.subsampled,
                "earlier": None if self.compressed.earlier is None else dataclasses.asdict(self.compressed.earlier),
            },
            "blur": round(self.detail.blur, 2),
            "spectrum_ends": round(self.detail.end, 2),
            "enlarged": None if self.detail.enlarged is None else round(self.detail.enlarged, 2),
            "tones": [round(self.darkest, 1), round(self.brightest, 1)],
            "faded": self.is_faded,
            "scratches_and_dust": round(self.damaged_share, 6),
            "findings": self.findings(),
        }

    def _noise_in_words(self) -> str:
        assert self.noise is not None
        return f"noise of {self.noise_level:.1f} grey levels{described(self.noise)}"


def diagnose(picture: Picture) -> Diagnosis:
    """Look at a picture: its noise, compression, blur, tones, scratches and dust.

    Noise is that of `measured`, compression that of the file's tables or `estimate_compression`, blur and enlargement
    those of `measure_detail`, scratches those of `find_scratches`. They are measured one by one, and bias one another: what a
    JPEG added counts as noise, and strong noise hides blur.

    Args:
        picture: as read.
    """
    pixels = picture.pixels
    gray = is_gray(pixels)
    pixels = pixels[:, :1] if gray else pixels
    damaged = find_scratches(pixels)
    # Scratches are no noise and no detail.
    whole = without(pixels, damaged)
    compressed = compression_of(picture)
    visible = with_visible(picture)
    noise = measured(whole, lambda: None if compressed is None else compressed.quality, visible)
    level = level_of(whole, noise, visible)
    luma = ((whole.mean(dim=1)[0].double() + 1) * 127.5).numpy()
    low, high = np.quantile(luma[::2, ::2], [0.01, 0.99])
    return Diagnosis(
        size=picture.size,
        noise=noise,
        noise_level=127.5 * level,
        compressed=compressed,
        is_compression=compressed is not None and artefacts_of(picture, level) is not None,
        detail=measure_detail(luma, 0.0 if noise is None else noise_by_frequency(noise, whole)),
        gray=gray,
        toned=not gray and is_toned(whole),
        darkest=float(low),
        brightest=float(high),
        damaged=damaged,
    )


def without(pixels: Tensor, damaged: Tensor) -> Tensor:
    """A picture (1, C, H, W) with what is damaged, bool (1, 1, H, W), filled smoothly."""
    from restore.operators.plate import plate_fill

    return plate_fill(pixels, (~damaged).to(pixels).expand_as(pixels)) if bool(damaged.any()) else pixels


def noise_by_frequency(noise: NoiseModel, pixels: Tensor) -> np.ndarray:
    """The variance of the mean of the channels by frequency along an axis, (SIDE // 2 + 1,), in squared grey levels."""
    spectrum = noise.spectrum((SIDE, SIDE))[0]  # (SIDE, SIDE // 2 + 1) of luma.
    level = 127.5 * noise.root_mean_square(pixels)
    share: Tensor = level**2 * spectrum.mean(dim=0) / pixels.shape[1]
    return share.double().numpy()
