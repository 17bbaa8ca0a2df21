"""Several processes, started as a launcher starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from toys import TOY, Command, Ran, files, picture, truncated

from restore.plugins import manager as plugins

SLOW_TOY = ["--prior", "toy:slow", *TOY[2:]]


def launch(place: Path, *arguments: str, count: int = 2) -> Ran:
    """The command in so many processes, which meet over the loopback interface."""
    root = Path(plugins.__file__).parents[2]
    paths = os.pathsep.join([str(place.parent / "site"), str(root)])
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count), "-m", "restore"]
    done = subprocess.run(
        [sys.executable, *launcher, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def test_two_processes_write_what_one_writes_and_a_bad_picture_stops_nobody(place: Path, restore: Command) -> None:
    # The first process gets a and b and is done at once; the launcher must not stop the second, which is still at work.
    for name in ("a", "b"):
        truncated(place / f"in/{name}.png")
    for seed, name in enumerate(("c", "d")):
        picture(place / f"in/{name}.png", seed)
    words = ["patch", "in", "--mask", "in/d.png", "--guidance", "ddnm", *SLOW_TOY]
    two = launch(place, *words, "-o", "two")
    assert two.code == 1
    assert files(place / "two") == ["c.png", "d.png"]
    assert sorted(two.out.split()) == ["two/c.png", "two/d.png"]  # Each written once.
    errors = [line for line in two.err.splitlines() if line.startswith("error: ")]
    assert sorted(line[:17] for line in errors) == ["error: in/a.png: ", "error: in/b.png: "]
    assert "in one" not in two.err
    assert two.err.count("2 of 4 pictures failed\nthe launcher will report exit code 1 and a traceback of its own\n") == 1

    assert restore(*words, "-o", "one").code == 1
    for name in ("c.png", "d.png"):
        assert (place / "two" / name).read_bytes() == (place / "one" / name).read_bytes()


@pytest.mark.slow
def test_an_error_that_stops_every_picture_ends_all_processes(place: Path) -> None:
    picture(place / "in/a.png")
    picture(place / "in/b.png")
    ran = launch(place, "soften", "in", "--prior", "nowhere")
    assert ran.code == 1  # The launcher's own word for any failure.
    assert "error: prior 'nowhere' is no bundled prior, folder or Hub id" in ran.err
    assert "exitcode: 3" in " ".join(ran.err.replace("exitcode  :", "exitcode:").split())
    assert files(place / "in") == ["a.png", "b.png"]


@pytest.mark.slow
def test_more_processes_than_pictures(place: Path, restore: Command) -> None:
    picture(place / "in/a.png")
    ran = launch(place, "soften", "in", *TOY, count=3)
    assert (ran.code, ran.out) == (0, "in/a.soften.png\n")
    made = (place / "in/a.soften.png").read_bytes()
    assert restore("soften", "in", *TOY, "--overwrite").code == 0
    assert (place / "in/a.soften.png").read_bytes() == made


@pytest.mark.slow
def test_the_bundled_prior_in_two_processes(place: Path, restore: Command) -> None:
    for seed, name in enumerate("abcd"):
        picture(place / f"in/{name}.png", seed)
    assert launch(place, "super-resolution", "in", "-o", "two", "--steps", "2", "--device", "cpu").code == 0
    assert restore("super-resolution", "in", "-o", "one", "--steps", "2", "--device", "cpu").code == 0
    assert files(place / "one") == files(place / "two") == ["a.png", "b.png", "c.png", "d.png"]
    for name in files(place / "one"):
        assert (place / "two" / name).read_bytes() == (place / "one" / name).read_bytes()
