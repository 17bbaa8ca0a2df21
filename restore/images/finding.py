"""The picture files that paths on the command line stand for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from restore.errors import PictureError
from restore.images.formats import SUFFIXES


def find(inputs: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The picture files in `inputs`, each with its path relative to the folder it was found in.

    A file is taken whatever its suffix; its relative path is its name. A folder is searched recursively, in sorted order, for
    the suffixes of `SUFFIXES` in either case. Hidden files and folders are skipped, and links to folders are
    not followed. A file that is found twice is listed once.

    Returns: (path, relative path) of each file. Under an output folder, results mirror the relative paths.

    Raises: PictureError for a missing path, a folder that cannot be listed, and a folder without pictures.
    """
    found: dict[Path, Path] = {}
    for given in map(Path, inputs):
        if _is(given, Path.is_dir):
            pictures = _inside(given)
            if not pictures:
                raise PictureError(f"{given}: no pictures in this folder; looked for {', '.join(sorted(SUFFIXES))}")
            for path in pictures:
                found.setdefault(path, path.relative_to(given))
        elif _is(given, Path.exists):
            found.setdefault(given, Path(given.name))
        else:
            raise PictureError(f"{given}: no such file or folder; check the name")
    return list(found.items())


def _is(path: Path, ask: Callable[[Path], bool]) -> bool:
    try:
        return ask(path)
    except OSError as error:
        raise PictureError(f"{path}: cannot be accessed ({error.strerror}); check its name and permissions") from error


def _inside(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise PictureError(f"{error.filename}: cannot list this folder ({error.strerror}); check its permissions") from error

    return sorted(path for path in _files(folder, refuse) if path.suffix.lower() in SUFFIXES)


def others(folder: Path) -> list[Path]:
    """The files of a folder that `find` leaves out for their suffix, hidden ones apart."""
    return sorted(path for path in _files(folder, None) if path.suffix.lower() not in SUFFIXES)


def _files(folder: Path, onerror: Callable[[OSError], None] | None) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=onerror):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))
