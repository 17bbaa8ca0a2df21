"""The corpus of `corpus.py`: whole files are read for what they hold, damaged ones are refused or read right."""

import subprocess
import sys
import warnings
from pathlib import Path

import corpus
import numpy as np
import pytest

from restore.errors import OutOfMemoryError, PictureError
from restore.images import limited
from restore.images.reading import decode

WHOLE = list(corpus.whole())
COPIES = 12  # Of each file, in each of ten processes.


def trial(name: str, bad: bytes, truth: tuple[np.ndarray, np.ndarray | None]) -> str:
    """ "refused" or "read". Raises AssertionError for a message of several lines, or a PNG of other samples or alpha."""
    try:
        with limited(4_000_000, 100_000_000), warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = decode(bad, name)
    except (PictureError, OutOfMemoryError) as error:
        lines = str(error).split("\n")
    else:
        lines = []
    if lines:
        assert len(lines) == 1
        return "refused"
    if name.endswith(".png"):
        samples, alpha = truth
        assert np.array_equal(picture.samples(), samples)
        assert (picture.alpha is None) == (alpha is None)
        assert alpha is None or np.array_equal(picture.alpha, alpha)
    return "read"


def trials(count: int, seed: int) -> dict[str, int]:
    """How many of `count` damaged copies of each file were refused and read."""
    found = {"refused": 0, "read": 0}
    for number, (name, data, _) in enumerate(WHOLE):
        picture = decode(data, name)
        for what, bad in corpus.damaged(data, count, seed * 1000 + number):
            try:
                found[trial(name, bad, (picture.samples(), picture.alpha))] += 1
            except Exception as error:
                raise AssertionError(f"{name}, {what}: {error!r}") from error
    return found


@pytest.mark.parametrize(("name", "data", "expected"), WHOLE, ids=[name for name, _, _ in WHOLE])
def test_whole_files_are_read(name: str, data: bytes, expected: np.ndarray | None) -> None:
    samples = decode(data, name).samples()
    assert expected is None or np.array_equal(samples, expected)


def test_damaged_files_are_refused_or_read_right(capfd) -> None:
    found = trials(8, 0)
    assert found["refused"] > found["read"] > 0
    assert capfd.readouterr().err == ""


def test_damage_to_the_transparency_is_refused() -> None:
    whole = next(data for name, data, _ in WHOLE if name == "key3.png")
    for shift, said in ((4, "tRNS"), (2, "tROS")):
        data = bytearray(whole)
        data[data.index(b"tRNS") + shift] ^= 1
        with pytest.raises(PictureError, match=f"{said} has a wrong checksum"):
            decode(bytes(data), "key3.png")


def test_a_line_break_in_a_chunk_type_stays_out_of_the_message() -> None:
    data = next(data for name, data, _ in WHOLE if name == "key3.png").replace(b"IHDR", b"IH\nR")
    with pytest.raises(PictureError, match=r"chunk IH\\nR has") as caught:
        decode(data, "key3.png")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_thousands_of_damaged_files(seed: int) -> None:
    # In a process of its own, so that a crash or a hang is a failure, not the end of the tests.
    code = f"import resource, test_corpus; print(sum(test_corpus.trials({COPIES}, {seed}).values())); "
    code += "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # kB"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) == COPIES * len(WHOLE)
