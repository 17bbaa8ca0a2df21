"""Keywords of the built-in tasks, for signatures and completion; a test holds them equal to the tasks' options."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import Required

from restore.options.signatures import CallKeywords


class Inpaint(CallKeywords, total=False):
    mask_from: Literal["file", "alpha"]
    invert_mask: bool
    mask_label: int | None
    mask_grow: int | Literal["auto"]
    resize_mask: bool
    sigma: float | Literal["auto"]
    grain: Literal["auto", "keep", "none"]
    strength: float
    fill: Literal["auto", "smooth", "texture"]
    like: Any
    fill_mirror: bool
    fill_scale: bool


class SuperResolution(CallKeywords, total=False):
    size: str | None
    megapixels: float | None
    reduced_by: str
    sigma: float | Literal["auto"]


class Denoise(CallKeywords, total=False):
    strength: float


class Colorize(CallKeywords, total=False):
    pass


class Jpeg(CallKeywords, total=False):
    assumed_quality: int | None
    grid: str | None


class Deblur(CallKeywords, total=False):
    write_kernel: str | None
    sigma: float | Literal["auto"]


class Auto(CallKeywords, total=False):
    scale: int
    colorize: Any
    blur: bool
    scratches: bool


class Edit(CallKeywords, total=False):
    strength: float


class Run(CallKeywords, total=False):
    op: Required[str]


class Degrade(CallKeywords, total=False):
    op: Required[str]
    noise_seed: int


# With what the functions of `restore.api.shortcuts` take by place: for `Restorer`, which takes all by name.


class InpaintCall(Inpaint, total=False):
    mask: Any


class SuperResolutionCall(SuperResolution, total=False):
    scale: float | None


class DenoiseCall(Denoise, total=False):
    sigma: float | Literal["auto"]


class ColorizeCall(Colorize, total=False):
    hints: Any


class DeblurCall(Deblur, total=False):
    kernel: str
