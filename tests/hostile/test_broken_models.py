"""Broken models are refused in one line that names them, quickly and without memory for them, or load as the whole ones do.

`broken_models.py` makes them. A few of each kind are tried always, all of them with the slow tests.
"""

from __future__ import annotations

import collections
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import broken_models
import pytest
import torch
from broken_models import Case
from broken_pickles import CANARY
from toys import Command

from restore import pretrained
from restore.errors import OutOfMemoryError, PriorError
from restore.priors import Prior
from restore.priors.loaders import weights

TESTS = Path(__file__).parent
QUICK = broken_models.quick()
LIMIT = 60  # Seconds; nearly all are over in a fraction of one.
ROOM = 10**9  # Bytes.
# What would fill the memory, or never end in code that no signal stops, is left to the process of its own.
GREEDY = ("2^60", "1e12 bytes", "100,000", "MB", "device")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return broken_models.make(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def broken(whole: dict[str, Path], tmp_path: Path) -> Callable[[Case], Path]:
    """The folder of a case."""

    def make(case: Case, name: str = "broken") -> Path:
        shutil.copytree(whole[case.base], tmp_path / name)
        case.spoil(tmp_path / name)
        return tmp_path / name

    return make


def answers(prior: Prior) -> torch.Tensor:
    x = torch.randn((1, prior.channels, 16, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return prior(x, torch.tensor(0.5).clamp(prior.sigma_min, prior.sigma_max))


@contextmanager
def limited() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"not refused within {LIMIT} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(case: Case, model: Path, base: Path) -> str:
    """How loading ends: refused or loads; asserts what holds of either."""
    try:
        with limited():
            prior = pretrained.prior(str(model), local_files_only=True)
    except (PriorError, OutOfMemoryError) as error:
        message = str(error)
        assert message.isprintable(), case
        assert str(model) in message, (str(case), message)
        assert len(message) < 400 + 2 * len(str(model)), case
        return "refused"
    finally:
        assert not list(model.rglob(CANARY)), case
    found = answers(prior)
    assert found.shape == (1, prior.channels, 16, 16), case
    assert bool(found.isfinite().all()), case
    if case.same:
        assert torch.equal(found, answers(pretrained.prior(str(base)))), case
    return "loads"


@pytest.mark.parametrize("case", [case for case in QUICK if not any(word in case.name for word in GREEDY)], ids=str)
def test_a_broken_model_is_refused_in_one_line_or_answers(case: Case, whole: dict[str, Path], broken: Callable) -> None:
    outcome(case, broken(case), whole[case.base])


@pytest.mark.slow
def test_all_broken_models_are_refused_or_answer() -> None:
    paths = [TESTS.parent.parent, TESTS.parent, TESTS]
    words = [sys.executable, __file__, str(broken_models.SEED)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=3600)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr


TOLD = ("config.json prior.sigma_data is NaN", "config.json cut in half", "a weight is NaN", "config.json has auto_map")
CODE = ("eval alone as zip", "a tuple of 2^60 parts as key as zip", f"{broken_models.INDEX} unet is of the model")


@pytest.mark.parametrize("name", [*TOLD, *CODE])
@pytest.mark.parametrize("words", [("denoise", "img.png", "--sigma", "5", "--prior"), ("models", "info")])
def test_the_command_says_so_in_one_line_and_ends_with_3(
    name: str, words: tuple[str, ...], broken: Callable, restore: Command
) -> None:
    case = next(case for case in broken_models.cases() if case.name == name)
    model = broken(case, "two\nlines")
    ran = restore(*words, str(model))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("error: ")
    assert "two\\nlines" in ran.err
    assert not list(model.rglob(CANARY))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_lack_of_memory_is_no_fault_of_the_model(
    error: Exception, whole: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(weights, "load_file", full)
    with pytest.raises(OutOfMemoryError, match="own"):
        pretrained.prior(str(whole["own"]))


def test_the_whole_models_load(whole: dict[str, Path]) -> None:
    """Or every other test here would pass."""
    for base in whole.values():
        assert bool(answers(pretrained.prior(str(base))).isfinite().all())


def main(seed: int) -> None:
    """Try all cases in this process, which gets no more than `ROOM` above what the whole models take; count how they end."""
    ends: collections.Counter[tuple[str, str]] = collections.Counter()
    with tempfile.TemporaryDirectory() as place:
        whole = broken_models.make(Path(place))
        model = Path(place) / "broken"
        for base in whole.values():
            answers(pretrained.prior(str(base)))
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM,) * 2)
        for case in broken_models.cases(seed):
            shutil.copytree(whole[case.base], model)
            case.spoil(model)
            try:
                end = outcome(case, model, whole[case.base])
            except BaseException as error:
                end = "FAILS"
                print(f"{case}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            ends[case.kind, end] += 1
            shutil.rmtree(model)
    for key, count in sorted(ends.items()):
        print(*key, count)
    sys.exit(any(end == "FAILS" for _, end in ends))


if __name__ == "__main__":
    main(int(sys.argv[1]))
