"""Checks the weights that come with the package against the list of their SHA-256 hashes.

A damaged file would load, and its outputs be wrong without a word. `make weights` writes the list, in the format of sha256sum.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from restore.errors import PriorError

PACKAGE = Path(__file__).parent
LIST = "weights.sha256"  # Under PACKAGE; so are the paths in it.


def check(path: Path) -> None:
    """Refuse weights of the package that are not those of its list; a file elsewhere is a person's own, and passes.

    A file that passes is not read again in this process.

    Raises: PriorError if the file or the list is missing, the file is not in the list, or its hash is another.
    """
    home, path = PACKAGE.resolve(), path.resolve()
    if path.is_relative_to(home):
        _check(path, home)


def hashes(package: Path) -> dict[str, str]:
    """The list: paths under `package`, with slashes, and SHA-256 hashes in hexadecimal. Raises OSError; ValueError."""
    rows = (line.split(maxsplit=1) for line in (package / LIST).read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in rows}


@lru_cache
def _check(path: Path, package: Path) -> None:
    try:
        wanted = hashes(package).get(path.relative_to(package).as_posix())
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        raise PriorError(f"{path}: the bundled weights or {LIST} cannot be read; install the package again") from None
    if found != wanted:
        raise PriorError(f"{path}: the bundled weights are damaged or changed; install the package again")
