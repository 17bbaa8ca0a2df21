"""`restore diagnose`: what is wrong with pictures."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restore.cli import console
from restore.cli.flags import click_options
from restore.cli.save import put_picture
from restore.device.memory import is_lack_of_memory
from restore.errors import OutOfMemoryError, PictureError, PriorError, RestoreError, UsageError
from restore.options.run_options import RunOptions

if TYPE_CHECKING:
    from restore.diagnosis import Diagnosis
    from restore.images import Picture


@click.command("diagnose")
@click.argument("inputs", nargs=-1, required=True, metavar="IN...", type=click.Path(path_type=Path))
@click.option(
    "--strip",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="write a PNG of each picture there: the picture, its fine structure amplified, scratches and dust in red",
)
def diagnose_command(
    inputs: tuple[Path, ...], strip: Path | None, overwrite: bool, json: bool, quiet: bool, verbose: int
) -> int:
    """Say what is wrong with pictures: noise, JPEG, blur, fading, scratches and dust.

    A line a picture, or with --json an object a picture.
    """
    from restore import images

    console.set_level(quiet, verbose)
    found: list[tuple[Path, Path]] = []
    failed = 0
    for given in inputs:
        try:
            found += images.find([given])
        except PictureError as error:
            failed += _fail(given, error, json)
    targets = _targets(found, strip)
    for source, _ in found:
        try:
            picture, target = images.read(source), targets.get(source)
            if target is not None and target.exists() and not overwrite:
                raise PictureError(f"{target} exists already; add --overwrite, or name another folder")
            from restore.diagnosis import diagnose

            diagnosis = diagnose(picture)
            if target is not None:
                _write_strip(target, picture, diagnosis)
        except (PriorError, OutOfMemoryError):
            raise  # The next picture needs the same networks.
        except RestoreError as error:
            failed += _fail(source, error, json)
            continue
        except Exception as error:
            if is_lack_of_memory(error):
                raise OutOfMemoryError(f"{source}: not enough memory to look at it; free some, or cut the picture") from error
            console.bug(error, f"{source}: ")
            failed += 1
            continue
        if json:
            told = {"input": str(source), **diagnosis.to_dict(), "strip": None if target is None else str(target)}
            print(json_module.dumps(told), flush=True)
        else:
            print(f"{console.spelled(str(source))}: {in_words(diagnosis)}", flush=True)
    if failed and len(found) > 1:
        console.logger.info("%d of %d pictures failed", failed, len(found))
    return int(failed > 0)


diagnose_command.params += click_options(RunOptions, "overwrite", "json", "quiet", "verbose")


def in_words(diagnosis: Diagnosis) -> str:
    """A line."""
    height, width = diagnosis.size
    return f"{width}x{height}, {diagnosis.kind()}; " + ("; ".join(diagnosis.findings()) or "nothing wrong found")


def _fail(source: Path, error: RestoreError, json: bool) -> int:
    message = str(error) if str(source) in str(error) else f"{source}: {error}"
    console.error(message)
    console.trace()
    if json:
        print(json_module.dumps({"input": str(source), "error": message}), flush=True)
    return 1


def _targets(found: list[tuple[Path, Path]], folder: Path | None) -> dict[Path, Path]:
    """The strip of each picture. Raises UsageError where two would be written to one file."""
    if folder is None:
        return {}
    targets: dict[Path, Path] = {}
    for source, relative in found:
        target = folder / relative.with_name(f"{relative.name}.png")
        if target in targets.values():
            raise UsageError(f"{target} would be written twice; run the inputs one by one")
        targets[source] = target
    return targets


def _write_strip(target: Path, picture: Picture, diagnosis: Diagnosis) -> None:
    """The picture, its fine structure amplified to be seen, and scratches and dust in red on the faint picture."""
    import cv2
    import numpy as np

    from restore.images import to_pillow
    from restore.results.figures import strip

    shown = np.asarray(to_pillow(picture).convert("RGB"))
    fine = shown.astype(np.float32) - cv2.medianBlur(shown, 5)
    gain = min(16.0, 24 / max(1.0, float(np.abs(fine).mean())))
    red = np.array([230, 0, 0], np.uint8)
    marked = np.where(diagnosis.damaged[0, 0].numpy()[..., None], red, 160 + shown // 3).astype(np.uint8)
    amplified = (128 + gain * fine).round().clip(0, 255).astype(np.uint8)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{target.parent}: no folder can be made here ({error.strerror}); name another place") from None
    put_picture(target, strip(shown, amplified, marked))
