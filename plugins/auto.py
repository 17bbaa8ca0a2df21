"""The task `auto`: looks at a picture, and restores what is wrong with it in one solve."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from restore.errors import PictureError
from restore.plugins.manager import hookimpl
from restore.task import Task
from restore.wording import called, told

if TYPE_CHECKING:
    from torch import Tensor

    from restore.diagnosis import Diagnosis
    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.noise.model import NoiseModel
    from restore.operators import Operator
    from restore.problem import Problem

logger = logging.getLogger("restore")

SHARPENED = 0.85  # Share of the blur found that is taken out: too much makes halos, too little is only soft.
WIDEST = 1.5  # Pixels of blur that are taken out at most.
DOUBTFUL = 2.0  # Grey levels of noise that blurred pictures have at least: the width found is never exact.
LEAST = 1.0  # Grey levels of noise that blurred and enlarged pictures have at least, by rounding.


@dataclass(frozen=True)
class AutoOptions:
    scale: int = field(default=1, metadata={"min": 1, "max": 16, "help": "how many times wider and higher"})
    colorize: Any = field(
        default=None, metadata={"picture": True, "help": "strokes of colour on a transparent picture, for a gray one"}
    )
    blur: bool = field(
        default=False, metadata={"help": "take out what is found of blur; softness of other kinds passes for it"}
    )
    scratches: bool = field(
        default=False, metadata={"help": "fill what is found of scratches and dust; thin things in the picture pass for them"}
    )


class Auto(Task):
    """y = reduce(blur(x)) + noise, compressed, with scratches on it: whatever of this is found, solved for together.

    Steps in a row hand their errors on: a denoiser that does not know of a scratch keeps it, an enlarger that does not know of
    noise sharpens it. Here the operator is blur and reduction in one, the noise has the law that was measured, and scratches
    and the cells of a JPEG are a constraint on the measurement (`Observed`).
    """

    name = "auto"
    help = "Find out what is wrong with a picture, and restore it."
    Options = AutoOptions

    def problem(self, picture: Picture, options: AutoOptions) -> Problem:
        import torch

        from restore.diagnosis import diagnose
        from restore.diagnosis.examination import without
        from restore.operators import Mask
        from restore.operators.observed import Observed
        from restore.problem import Problem

        found = diagnose(picture)
        logger.info("found: %s", "; ".join(found.findings()) or "nothing wrong")
        if found.is_damaged and not options.scratches:
            shown = told(command="`restore diagnose --strip DIR` shows", python="restore.diagnose finds")
            logger.info("scratches and dust are left: %s them, %s fills them", shown, called("scratches", True))
            found = dataclasses.replace(found, damaged=torch.zeros_like(found.damaged))
        if options.colorize is not None and found.kind() == "colour":
            raise PictureError(f"the picture has colours already, and hints would replace them; leave {called('colorize')} out")
        pixels = picture.pixels[:, :1] if found.gray else picture.pixels
        keep = ~found.damaged if found.is_damaged else torch.ones_like(found.damaged)
        noise = found.noise if found.has_noise else None
        cells = _cells(picture, found)
        soft = found.is_soft and options.blur and not found.has_artefacts
        if found.is_soft and not soft:
            what = "compression looks like it" if options.blur else f"{called('blur', True)} takes it out"
            logger.info("blur is left: %s", what)
        operator, steps = _operator(found, options.scale, soft)
        done = [
            *(["scratches filled"] if found.is_damaged else []),
            *(["noise taken out"] if noise is not None else []),
            *(["compression artefacts taken out"] if cells is not None else []),
            *steps,
            *(["coloured from hints"] if options.colorize is not None else []),
        ]
        logger.info("done%s: %s", " in one solve" if len(done) > 1 else "", ", ".join(done) or "nothing, so it stays as it is")
        if not done or done == ["scratches filled"]:
            # Known pixels stay bit for bit.
            return Problem(y=pixels * keep, operator=Mask(keep), sigma_y=0.0, shape=tuple(pixels.shape))
        whole, hints = without(pixels, ~keep), None
        if options.colorize is not None:
            whole, hints = _coloured(whole, options.colorize)
            pixels = pixels.mean(dim=1, keepdim=True) + (whole - whole.mean(dim=1, keepdim=True))
            noise = None if noise is None else _of_luma(noise)
        level = found.noise_level / 127.5 if noise is not None else 0.0
        if soft:
            level = max(level, max(DOUBTFUL, found.noise_level) / 127.5)
        elif steps and level == 0 and cells is not None:
            level = max(LEAST, found.compressed.error if cells is not None and found.compressed is not None else 0.0) / 127.5
        height, width = found.size
        partly = found.is_damaged or hints is not None or cells is not None
        return Problem(
            y=whole,
            operator=operator,
            sigma_y=level,
            shape=(1, whole.shape[1], height * options.scale, width * options.scale),
            start=operator.initial_estimate(whole),
            noise=noise,
            constraint=Observed(pixels, keep, hints=hints, cells=cells) if partly else None,
        )

    def guidance(self, problem: Problem, options: AutoOptions) -> Guidance | None:
        from restore.compression import settings_of
        from restore.guidance.pnp import ENLARGING, FILLING, PnP
        from restore.guidance.two_scales import TwoScales
        from restore.guidance.whitening import Whitening
        from restore.operators import Identity, Mask
        from restore.operators.jpeg_cells import JPEGCells
        from restore.operators.observed import Observed

        if isinstance(problem.operator, Mask):
            return FILLING
        observed = problem.constraint if isinstance(problem.constraint, Observed) else None
        if observed is not None and observed.hints is not None:
            # Colour spread from hints is accurate, and at higher noise levels the prior takes it out.
            return PnP(weight=1.0, sigma_start=max(0.03, 1.5 * problem.sigma_y), most=8)
        if observed is not None and isinstance(observed.cells, JPEGCells) and observed.instead_of_noise:
            own = settings_of(observed.cells)
            first = PnP(weight=own.weight, sigma_start=own.sigma_start, sigma_end=own.sigma_end, most=own.steps)
            return first if isinstance(problem.operator, Identity) else TwoScales(first=first, first_steps=own.steps)
        if isinstance(problem.operator, Identity):
            # Without a constraint the toolkit's own for noise.
            return None if observed is None else Whitening()
        if problem.sigma_y == 0:
            return ENLARGING
        if problem.shape[-2:] == problem.y.shape[-2:]:
            return PnP(weight=0.8, sigma_start=1.0, most=6)  # Blur alone, as in `deblur`.
        return TwoScales(first=Whitening(), first_steps=Whitening.steps)

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: AutoOptions) -> Picture:
        from restore.operators import Mask

        if isinstance(problem.operator, Mask):
            keep = problem.operator.keep
            if bool(keep.all()):
                return picture
            filled = picture.pixels.where(keep, restored.cpu())
            return picture.with_pixels(filled)
        if restored.shape[1] == 1:
            restored = restored.expand(-1, picture.pixels.shape[1], -1, -1)
        # Written with its old tables a JPEG would be the old file again.
        return dataclasses.replace(picture.with_pixels(restored), jpeg=None)


def _operator(found: Diagnosis, scale: int, soft: bool) -> tuple[Operator, list[str]]:
    """Blur and reduction as one, and what undoing them is called."""
    from restore.operators import Downsample, Identity

    height, width = found.size
    blur = min(WIDEST, SHARPENED * found.detail.blur) if soft else 0.0
    if scale == 1 and blur == 0:
        return Identity(), []
    kernel = f"gaussian:{blur:.3f}" if blur else "bicubic"
    steps = [*(["blur taken out"] if blur else []), *([f"enlarged {scale} times"] if scale > 1 else [])]
    return Downsample.between((height * scale, width * scale), (height, width), kernel), steps


def _cells(picture: Picture, found: Diagnosis) -> Any:
    """The cells of a JPEG that was compressed so far that it shows, as narrow as comes closest to the truth; None otherwise,
    and where noise is more than compression has left of it."""
    from restore.compression import constraint_of, settings_of

    cells = constraint_of(picture) if found.has_artefacts and not found.has_noise else None
    return None if cells is None else cells.with_width(settings_of(cells).width)


def _coloured(gray: Tensor, hints: Any) -> tuple[Tensor, Tensor]:
    """The picture (1, 3, H, W) with colour spread from strokes, and where these are, bool (1, 1, H, W)."""
    import torch

    from restore.images import as_picture
    from restore.operators.fill import guided_fill

    strokes = as_picture(hints)
    if tuple(strokes.size) != tuple(gray.shape[-2:]):
        given, wanted = strokes.size, gray.shape[-2:]
        raise PictureError(
            f"hints are {given[1]}x{given[0]} pixels but the picture is {wanted[1]}x{wanted[0]}; give them alike"
        )
    if strokes.alpha is None:
        raise PictureError("hints have no transparency; paint colour on a transparent layer of the picture's size")
    opaque = torch.from_numpy(strokes.alpha.astype("float32"))[None, None]
    painted = opaque > 0.5 * opaque.max().clamp_min(1)
    gray = gray.mean(dim=1, keepdim=True)
    colour = strokes.pixels.expand(-1, 3, -1, -1)
    tint = (colour - colour.mean(dim=1, keepdim=True)) * painted
    return gray + guided_fill(tint, painted, gray), painted


def _of_luma(noise: NoiseModel) -> NoiseModel:
    """The noise of a gray picture as that of a colour one whose channels share it."""
    import torch

    correlation = torch.cat([3 * noise.correlation[:1], torch.zeros_like(noise.correlation[:1]).expand(2, -1, -1)])
    return dataclasses.replace(noise, deviation=noise.deviation[:1].expand(3, -1), correlation=correlation)


@hookimpl
def restore_tasks() -> list[Task]:
    return [Auto()]
