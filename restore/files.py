"""Writes files atomically."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, content: bytes | Callable[[Path], object], *, overwrite: bool = True) -> None:
    """Write a file atomically: after an interruption `path` holds either its old content or all of `content`.

    The content is written to a temporary file in the same folder, which then replaces `path`. The temporary file is removed
    if anything fails.

    Args:
        content: the bytes, or a function that writes them to the path it is given.
        overwrite: replace a file that exists already.

    Raises: OSError if the file cannot be written; FileExistsError (an OSError) if it exists and `overwrite` is False.
    """
    # Not built from path.name, which may already be as long as the file system allows.
    temporary = path.with_name(f".restore-{uuid.uuid4().hex}.part")
    try:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content)
        if not overwrite and path.exists():  # Checked last: another process may have written it meanwhile.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
