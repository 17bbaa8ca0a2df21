"""Faults while the command runs: the next run always ends in the tree of a run that nothing disturbed."""

from __future__ import annotations

import errno
import hashlib
import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from distributions import install
from interruptions import Ended, Server, server
from toys import TOY, TOYS, Command, picture

from restore import images
from restore.cli.save import load_record

WORDS = ["soften", "in", "-o", "out/restored", "--uncertainty", "out/maps", "--contact-sheet", "out/sheets", "--record"]
COMMAND = [*WORDS, "--samples", "2", *TOY]
DEADLY = (signal.SIGKILL, signal.SIGTERM)
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EDQUOT, errno.EROFS)


class Bench(NamedTuple):
    """A server, the pictures that all runs take, the tree of an undisturbed run and how many sites it passed."""

    server: Server
    pictures: Path
    tree: dict[str, bytes]
    counts: dict[str, int]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("kills")
    install(root / "site", "restore-toys", TOYS)
    for name in ("a.png", "sub/b.jpg", "sub/deep/c.webp"):
        picture(root / "whole/in" / name)
    deep = np.random.default_rng(3).integers(0, 65536, (12, 16, 3), np.uint16)
    assert cv2.imwrite(str(root / "whole/in/d.tif"), deep)
    shutil.copytree(root / "whole/in", root / "warm/in")
    with server(root / "site") as found:
        assert found.run(root / "warm", COMMAND, {"kind": "warm up"}).code == 0
        whole = found.run(root / "whole", COMMAND, {"at": "call"})
        assert (whole.code, whole.err) == (0, "")
        tree = tree_of(root / "whole/out")
        assert len(tree) == 4 * 3 + 3  # Pictures, maps and sheets of all, and records of three.
        yield Bench(found, root / "whole/in", tree, whole.counts)


def tree_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def disturb(bench: Bench, place: Path, fault: dict[str, Any], codes: set[int]) -> Ended:
    """Run the command with a fault, check what it leaves, and run it again without."""
    shutil.copytree(bench.pictures, place / "in")
    ended = bench.server.run(place, COMMAND, fault)
    case = f"{fault}: {ended}"
    assert ended.code in codes, case
    assert "this is a bug" not in ended.err, case
    assert "Traceback" not in ended.err, case
    for name, data in tree_of(place / "out").items():  # Whole or not there.
        if not (name.endswith(".part") and (ended.code < 0 or fault.get("lasting"))):
            assert data == bench.tree.get(name), f"{name}: {case}"
    shutil.rmtree(place / "in")
    shutil.copytree(bench.pictures, place / "in")
    again = bench.server.run(place, COMMAND)
    assert again.code == 0, f"{case}, then {again}"
    assert tree_of(place / "out") == bench.tree, f"{case}, then {again}"
    shutil.rmtree(place)
    return ended


def at_every_site(bench: Bench) -> list[tuple[dict[str, Any], set[int]]]:
    """Faults at every write, with the exit codes that are right."""
    cases: list[tuple[dict[str, Any], set[int]]] = []
    for number in range(1, bench.counts["write"] + 1):
        site = {"at": "write", "number": number}
        cases += [({**site, "kind": "signal", "value": value}, {-value}) for value in DEADLY]
        cases.append(({**site, "kind": "signal", "value": signal.SIGINT}, {130}))
        cases.append(({**site, "kind": "signal", "value": signal.SIGSTOP}, {0}))
        cases.append(({**site, "kind": "vanish"}, {0, 1}))
        value = ERRORS[number % len(ERRORS)]
        cases.append(({**site, "kind": "error", "value": value}, {0, 1}))
        cases.append(({**site, "kind": "error", "value": value, "lasting": True}, {0, 1}))
    return cases


def at_random(bench: Bench, seed: int, count: int) -> list[tuple[dict[str, Any], set[int]]]:
    """Signals at seeded calls of functions, and other faults of seeded places and sizes."""
    rng = random.Random(seed)
    cases: list[tuple[dict[str, Any], set[int]]] = []
    for index in range(count):
        value = (*DEADLY, signal.SIGINT, signal.SIGSTOP)[index % 4]
        # A signal may come when all is done.
        codes = {130, 0} if value == signal.SIGINT else {0} if value == signal.SIGSTOP else {-value, 0}
        number = rng.randrange(1, bench.counts["call"])
        cases.append(({"kind": "signal", "value": value, "at": "call", "number": number}, codes))
        site = {"at": "read", "number": rng.randrange(1, bench.counts["read"] + 1)}
        cases.append(({**site, "kind": "shrink", "value": rng.randrange(0, 300)}, {0, 1}))
        cases.append(({**site, "kind": "error", "value": rng.choice((errno.EIO, errno.EACCES, errno.ENOENT))}, {0, 1}))
        # Once, the batch is halved and the run goes on; where it cannot be, the picture fails.
        lasting = index % 2 == 0
        cases.append(({"kind": "cuda", "number": rng.randrange(1, 9), "lasting": lasting}, {4} if lasting else {0, 4}))
        cases.append(({"kind": "clock", "number": rng.randrange(1, 40), "value": rng.choice((-1e9, -3600, 1e6, 1e9))}, {0}))
        cases.append(({"kind": "memory", "value": rng.randrange(0, 2**24)}, {0, 1, 4}))
        # Not below what the messages on stderr, a file too, need.
        cases.append(({"kind": "space", "value": rng.randrange(800, 3000)}, {0, 1}))
    return cases


def test_the_next_run_ends_in_the_undisturbed_tree(bench: Bench, tmp_path: Path) -> None:
    cases = [*random.Random(0).sample(at_every_site(bench), 10), *at_random(bench, 0, 1)]
    for index, (fault, codes) in enumerate(cases):
        disturb(bench, tmp_path / f"{index}", fault, codes)


def test_a_record_is_of_the_bytes_that_were_restored(place: Path, restore: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    given, check = (place / "img.png").read_bytes(), images.check_target

    def changed_meanwhile(*words: Any, **keywords: Any) -> None:
        check(*words, **keywords)
        picture(place / "img.png", seed=9)

    monkeypatch.setattr(images, "check_target", changed_meanwhile)
    assert restore("soften", "img.png", "-o", "out.png", "--record", *TOY).code == 0
    monkeypatch.undo()
    assert (place / "img.png").read_bytes() != given
    assert load_record(place / "out.png")["input"]["sha256"] == hashlib.sha256(given).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [4, 12, 24, 36, 44])
def test_a_full_disk(kilobytes: int, bench: Bench, tmp_path: Path) -> None:
    shutil.copytree(bench.pictures, tmp_path / "in")
    (tmp_path / "out").mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "full", str(tmp_path / "out")]
    if subprocess.run(mounted, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        full = bench.server.run(tmp_path, COMMAND)
        assert (full.code, "this is a bug" in full.err) == (1, False)
        assert "No space left on device" in full.err
        for name, data in tree_of(tmp_path / "out").items():
            assert data == bench.tree[name]
        grown = ["mount", "-o", "remount,size=1m", str(tmp_path / "out")]
        assert subprocess.run(grown, capture_output=True).returncode == 0
        assert bench.server.run(tmp_path, COMMAND).code == 0
        assert tree_of(tmp_path / "out") == bench.tree
    finally:
        subprocess.run(["umount", str(tmp_path / "out")], check=True)


def told(cases: list[tuple[dict[str, Any], set[int]]], ended: list[Ended]) -> str:
    """How often each kind of fault ended with which exit code."""
    counts = Counter((case["kind"], one.code) for (case, _), one in zip(cases, ended, strict=True))
    return ", ".join(f"{kind} {code}: {count}" for (kind, code), count in sorted(counts.items()))


@pytest.mark.slow
def test_faults_at_every_write(bench: Bench, tmp_path: Path) -> None:
    cases = at_every_site(bench)
    ended = [disturb(bench, tmp_path / f"{index}", fault, codes) for index, (fault, codes) in enumerate(cases)]
    assert all(one.struck for one in ended)
    print(f"{len(cases)} faults at {bench.counts['write']} writes: {told(cases, ended)}")


@pytest.mark.slow
def test_faults_at_random(bench: Bench, tmp_path: Path) -> None:
    cases = at_random(bench, 1, 30)
    ended = [disturb(bench, tmp_path / f"{index}", fault, codes) for index, (fault, codes) in enumerate(cases)]
    print(f"{len(cases)} faults: {told(cases, ended)}")
