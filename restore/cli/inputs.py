"""The pictures that the inputs of a command line stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from restore.cli import console
from restore.errors import PictureError

STREAM = Path("-")
"""As an input, standard input; as an output, standard output."""
_NAMED = 3  # Files of a folder that a message names.


def pictures_of(
    inputs: Sequence[Path], endings: Iterable[str], folders: Sequence[Path]
) -> tuple[dict[Path, Path], dict[Path, PictureError]]:
    """Pictures with their paths relative to the folder they were found in, and the error of each input without any.

    Of a folder, results of earlier runs are left out: files in a folder for results, and STEM.TASK.EXT beside a picture STEM.*.
    What is left out is said.

    Args:
        endings: what names of results have behind their stem, such as ".denoise".
        folders: that results go to.
    """
    from restore.images.finding import find

    found: dict[Path, Path] = {}
    failed: dict[Path, PictureError] = {}
    for given in inputs:
        if given == STREAM:
            found.setdefault(given, Path("stdin.png"))
            continue
        try:
            pictures = find([given])
            if given.is_dir():
                pictures = _without_results(given, pictures, tuple(endings), [one for one in folders if inside(one, given)])
            if not pictures:
                raise PictureError(f"{given}: nothing but results of earlier runs in this folder")
        except PictureError as error:
            failed[given] = error
            continue
        for path, relative in pictures:
            found.setdefault(path, relative)
    return found, failed


def inside(inner: Path, outer: Path) -> bool:
    """Whether a path lies in a folder."""
    return Path(os.path.abspath(outer)) in Path(os.path.abspath(inner)).parents


def _without_results(
    given: Path, pictures: list[tuple[Path, Path]], endings: tuple[str, ...], folders: list[Path]
) -> list[tuple[Path, Path]]:
    from restore.images.finding import others

    stems = {path.parent / path.stem for path, _ in pictures}

    def is_beside(path: Path) -> bool:
        return any(path.stem.endswith(ending) and path.parent / path.stem[: -len(ending)] in stems for ending in endings)

    outside = [pair for pair in pictures if not any(inside(pair[0], folder) for folder in folders)]
    kept = [pair for pair in outside if not is_beside(pair[0])]
    _say_left_out(given, "results of earlier runs", [path for path, _ in outside if is_beside(path)])
    _say_left_out(given, "files that are no pictures by their suffix", others(given))
    return kept


def _say_left_out(given: Path, what: str, left_out: list[Path]) -> None:
    if left_out:
        names = ", ".join(str(path.relative_to(given)) for path in left_out[:_NAMED])
        more = ", ..." if len(left_out) > _NAMED else ""
        console.logger.info("%s: left out %d %s (%s%s)", given, len(left_out), what, names, more)
