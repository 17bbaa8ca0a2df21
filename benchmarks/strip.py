"""Puts pictures side by side, on white."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import arguments
from benchmarks.pictures import read, write
from restore.results.figures import strip


def main() -> None:
    parser = arguments(__doc__, out=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    given = parser.parse_args()
    write(given.out, strip(*map(read, given.pictures)))
    print(given.out)
