"""Writes files atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, content: bytes | Callable[[Path], object], *, overwrite: bool = True) -> None:
    """Write a file atomically: after an interruption `path` holds either its old content or all of `content`.

    The content is written to a temporary file in the same folder, which then replaces `path`. The temporary file is removed
    if anything fails; if not even that is possible, `clear_parts` does it later.

    Args:
        content: the bytes, or a function that writes them to the path it is given.
        overwrite: replace a file that exists already.

    Raises: OSError if the file cannot be written; FileExistsError (an OSError) if it exists and `overwrite` is False.
    """
    # Not built from path.name, which may already be as long as the file system allows.
    temporary = path.with_name(f".restore-{_machine()}-{os.getpid()}-{uuid.uuid4().hex}.part")
    try:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content)
        if not overwrite and path.exists():  # Checked last: another process may have written it meanwhile.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # What went wrong is said, not that it cannot be cleared.
            temporary.unlink(missing_ok=True)
        raise


def clear_parts(folder: Path) -> None:
    """Remove temporary files of `write_atomically` whose process, on this machine, has ended without removing them."""
    with contextlib.suppress(OSError):  # The folder may be missing, or another process clear it.
        for path in folder.glob(".restore-*.part"):
            found = re.fullmatch(rf"\.restore-{_machine()}-(\d+)-[0-9a-f]{{32}}\.part", path.name)
            if found is not None and not _is_alive(int(found[1])):
                path.unlink(missing_ok=True)


def _machine() -> str:
    """A short name of this machine: processes of others, which share its folders, have numbers of their own."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # Another person's.
        return True
    return True
