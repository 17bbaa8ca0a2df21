"""The task `inpaint`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from restore.errors import UsageError
from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called, told

if TYPE_CHECKING:
    from torch import Tensor

    from restore.guidance import Guidance
    from restore.images import Picture
    from restore.operators import Mask
    from restore.problem import Problem
    from restore.results.result import Result

logger = logging.getLogger("restore")
MOSTLY = 0.9  # Share of the picture from which on a mask may be meant the other way round; random pixels are rarer.


@dataclass(frozen=True)
class InpaintOptions:
    mask: Any = field(
        default=None,
        metadata={
            "picture": True,
            "words": ("auto",),
            "help": "mask: white, or what is drawn on black, is filled; auto: scratches and dust, as found in the picture",
        },
    )
    mask_from: str = field(
        default="file", metadata={"choices": ["file", "alpha"], "help": "take the mask from --mask or from transparent pixels"}
    )
    invert_mask: bool = field(default=False, metadata={"help": "black is filled, white is kept"})
    mask_label: int | None = field(
        default=None, metadata={"min": 0, "help": "the mask is a label map, in which label N is filled"}
    )
    mask_grow: int | Literal["auto"] = field(
        default="auto",
        metadata={"min": 0, "help": "grow the filled area by N pixels; auto: where the rim resembles the damage"},
    )
    resize_mask: bool = field(default=False, metadata={"help": "stretch a mask of another size onto the picture"})
    sigma: float | Literal["auto"] = field(
        default="auto",
        metadata={
            "min": 0,
            "help": "white noise of the known pixels in grey levels (0-255), which is taken out; auto: measured",
        },
    )
    strength: float = field(
        default=1.0,
        metadata={
            "min": 0.01,
            "max": 1,
            "own_method": True,
            "help": "share of the prior's noise levels: below 1 what is under the mask is repainted, not replaced",
        },
    )
    fill: str = field(
        default="auto",
        metadata={
            "choices": ["auto", "smooth", "texture"],
            "own_method": ("texture",),
            "help": "texture: holes get patches of the picture; smooth: what is most probable, a blur where holes are wide; "
            "auto: texture for wide ones",
        },
    )
    like: Any = field(
        default=(),
        metadata={
            "picture": True,
            "several": True,
            "own_method": True,
            "help": "another picture of the same place, whose patches may be used, too; give it again for more",
        },
    )
    fill_mirror: bool = field(
        default=False,
        metadata={
            "own_method": True,
            "help": "take patches of the picture mirrored left to right, too: for what is symmetric",
        },
    )
    fill_scale: bool = field(
        default=True,
        metadata={
            "own_method": True,
            "help": "take patches of the picture at 0.7 and 1.4 times its size, too: for what recedes into the picture",
        },
    )
    grain: str = field(
        default="auto",
        metadata={
            "choices": ["auto", "keep", "none"],
            "help": "keep: noise stays, and holes get the same; none: the whole picture is denoised; auto: keep where it is "
            "measured, none where --sigma is a number",
        },
    )

    @property
    def keeps_grain(self) -> bool:
        """Whether noise stays on the known pixels, and holes get the same."""
        return self.grain == "keep" or (self.grain == "auto" and self.sigma == "auto")


class Inpaint(Task):
    """y = keep * x + noise. Known pixels stay bit for bit and holes get their grain, unless the picture is denoised."""

    name = "inpaint"
    help = "Fill the part of a picture that a mask marks."
    Options = InpaintOptions

    def problem(self, picture: Picture, options: InpaintOptions) -> Problem:
        from restore.compression import artefacts_of
        from restore.exemplars import chosen_holes
        from restore.images import grow_rim
        from restore.noise.measure import noise_of
        from restore.operators import Mask
        from restore.problem import Problem

        pixels = picture.pixels
        drawn = _mask(picture, options)
        by_itself = options.mask_grow == "auto" and options.mask_from == "file"
        fill = grow_rim(drawn, pixels) if by_itself else drawn
        share = float(fill.float().mean())
        added = share - float(drawn.float().mean())
        flag = called("mask_grow", 0)
        rim = f", {100 * added:.1f} % of it a rim that resembles the damage ({flag} keeps it)" if added else ""
        logger.info("mask fills %.1f %% of the picture%s", 100 * share, rim)
        if share == 1:
            logger.warning("the mask fills the whole picture: everything will be invented")
        elif share > MOSTLY and not options.invert_mask:
            flag = called("invert_mask", True)
            logger.warning("the mask fills most of the picture; %s fills the rest instead", flag)
        if share == 0:
            flag = called("mask", such_as="FILE")
            logger.warning("no scratches or dust found, so the picture stays as it is; give %s", flag)
        keep = ~fill
        sigma_y, noise = noise_of(picture, options.sigma, known=keep)
        # Known pixels stay, so cells could speak of blocks across the rim only, and damage was compressed with those.
        compressed = options.sigma == "auto" and sigma_y > 0 and options.keeps_grain
        if compressed and artefacts_of(picture, sigma_y, known=keep) is not None:
            logger.info("it is what JPEG compression did, and no noise, so holes get no grain")
            sigma_y, noise = 0.0, None
        y = pixels * keep
        lenders, denoised = _lenders(options, y.shape[1]), sigma_y > 0 and not options.keeps_grain
        asked = [*([called("like")] if lenders else []), *([called("fill_mirror", True)] if options.fill_mirror else [])]
        whole = options.strength == 1
        if not whole and (asked or options.fill == "texture"):
            words = asked or [called("fill", "texture")]
            raise UsageError(f"{called('strength')} below 1 repaints what is there, without patches; leave {words[0]} out")
        holes = chosen_holes(y, keep, options.fill, lenders=lenders, asked=asked, denoised=denoised) if whole else None
        if holes is not None:
            sigma_y, noise = 0.0, None  # Patches come with the grain of the known pixels.
        return Problem(
            y=y,
            operator=holes or Mask(keep),
            sigma_y=sigma_y,
            shape=tuple(pixels.shape),
            noise=noise,
            only_missing=options.keeps_grain,
            start=pixels if options.strength < 1 else None,
        )

    def guidance(self, problem: Problem, options: InpaintOptions) -> Guidance | None:
        from restore.exemplars import SCALES, Holes, Settings
        from restore.guidance.exemplars import Exemplars
        from restore.guidance.repaint import RePaint

        if options.strength < 1:
            return RePaint(strength=options.strength)
        if isinstance(problem.operator, Holes):
            settings = Settings(mirrored=options.fill_mirror, scales=SCALES if options.fill_scale else ())
            return Exemplars(thin=problem.operator.has_thin, settings=settings)
        return None

    def found(self, problem: Problem, options: InpaintOptions, result: Result) -> dict[str, Any]:
        from restore.exemplars import Holes, widest

        patched = isinstance(problem.operator, Holes) and str(result.record.get("guidance", "")).startswith("Exemplar")
        how = "texture" if patched else "smooth"
        return {"fill": how, "widest": round(widest(~problem.operator.keep[0, 0]), 1)}

    def finish(self, picture: Picture, problem: Problem[Mask], restored: Tensor, options: InpaintOptions) -> Picture:
        import torch

        from restore.noise.model import NoiseModel

        fill = ~problem.operator.keep
        if problem.sigma_y > 0 and options.keeps_grain:
            law = problem.noise or NoiseModel.white(problem.sigma_y, restored.shape[1])
            white = torch.randn(restored.shape, generator=torch.Generator().manual_seed(0))
            restored = restored + law.draw(restored.cpu(), white).to(restored)
        known = problem.sigma_y == 0 or options.keeps_grain
        finished = picture.with_pixels(restored.where(fill, picture.pixels) if known else restored)
        return finished.reveal(fill) if options.mask_from == "alpha" else finished


def _lenders(options: InpaintOptions, channels: int) -> tuple[Tensor, ...]:
    """The pictures that lend patches (1, C, h, w)."""
    from restore.images import as_picture

    given = options.like if isinstance(options.like, list | tuple) else (options.like,)
    pixels = [as_picture(one).in_srgb().pixels for one in given if one is not None]
    return tuple(one.mean(dim=1, keepdim=True) if channels == 1 else one.expand(-1, channels, -1, -1) for one in pixels)


def _mask(picture: Picture, options: InpaintOptions) -> Tensor:
    from restore.images import mask_from_alpha, read_mask

    if options.mask_from == "alpha":
        return mask_from_alpha(picture)
    if options.mask is None:
        raise UsageError(
            f"inpaint needs a mask: {called('mask', such_as='FILE')} (white is filled), or {called('mask_from', 'alpha')}"
        )
    if isinstance(options.mask, str) and options.mask == "auto":
        from restore.diagnosis import find_scratches

        if options.invert_mask or options.mask_label is not None:
            raise UsageError(f"{called('mask', 'auto')} is found in the picture: it has no labels, and is not inverted")
        found = find_scratches(picture.pixels)
        shown = told(command="--write-mask shows them", python="result.mask is what was found")
        logger.info("scratches and dust found on %.2f %% of the picture (%s)", 100 * float(found.float().mean()), shown)
        return found
    size = (picture.pixels.shape[-2], picture.pixels.shape[-1])
    return read_mask(
        options.mask,
        size,
        invert=options.invert_mask,
        grow=0 if options.mask_grow == "auto" else options.mask_grow,
        resize=options.resize_mask,
        label=options.mask_label,
    )


@hookimpl
def restore_tasks() -> list[Task]:
    return [Inpaint()]
