"""Coverage-guided fuzzing with atheris: `python tests/hostile/fuzz/fuzz.py reading|configs|records SECONDS [FOLDER]`.

Each target takes any bytes. What it may do is return or raise the toolkit's own errors in one line; anything else stops the
fuzzer, which writes the bytes to a file crash-* in the present folder. Inputs that reach new code are kept in FOLDER.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["restore", "PIL"]):
    pass

sys.path.insert(0, str(Path(__file__).parents[1]))

import targets

LONGEST = 4096  # Bytes of an input.


def guarded(target: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """The target, whose errors of the toolkit are expected."""
    from restore.errors import RestoreError

    def run(data: bytes) -> None:
        try:
            target(data)
        except RestoreError as error:
            if "\n" in str(error):
                raise AssertionError(f"several lines: {error}") from error

    return run


def main() -> None:
    name, seconds, *folder = sys.argv[1:]
    corpus = Path(folder[0] if folder else tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(targets.SEEDS[name]()):
        if len(seed) <= LONGEST:
            (corpus / f"seed{index}").write_bytes(seed)
    words = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=4000", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *words, str(corpus)], guarded(targets.TARGETS[name]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
