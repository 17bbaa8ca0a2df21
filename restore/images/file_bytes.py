"""Reads the bytes of a picture file."""

from __future__ import annotations

import stat
from pathlib import Path

from restore.errors import PictureError


def file_bytes(path: Path) -> bytes:
    """All bytes of a file.

    Raises: PictureError for a file that is missing, empty, special (a pipe, a device, a file of /proc), or cannot be opened.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise PictureError(f"{path}: a folder where a picture file is expected; name a file in it")
        if not stat.S_ISREG(found.st_mode):  # Reading a pipe would block.
            raise PictureError(f"{path}: not an ordinary file; name a picture file")
        if found.st_size == 0 and path.resolve().is_relative_to("/proc"):  # They have no size, and reading one may block.
            raise PictureError(f"{path}: not an ordinary file, but {path.resolve()}; name a picture file")
        if found.st_size == 0:
            raise PictureError(f"{path}: the file is empty; get it again")
        return path.read_bytes()
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such file; check the name") from error
    except OSError as error:
        raise PictureError(f"{path}: cannot be opened ({error.strerror}); check its name and permissions") from error
    except ValueError as error:  # A NUL in the name.
        raise PictureError(f"{str(path)!r}: no file can have this name ({error}); check it") from error
