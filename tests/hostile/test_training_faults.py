"""Training that is stopped, killed or given damaged files: at most the steps since the last checkpoint are lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from test_training import CONFIG, run, same_weights

from restore.cli import main
from restore.errors import PriorError, RestoreError
from restore.priors.loaders import folder
from restore.training import train as module
from restore.training.interrupt import Interrupt
from restore.training.state import METRICS, STATE

ROOT = Path(__file__).parent.parent.parent
# The command, which sends itself a signal in a step.
STOPPED = """
import os, signal, sys
from restore.training import train
from restore.cli import main
average, calls = train._update_average, []
def counted(*arguments):
    calls.append(1)
    if len(calls) == 4 and os.environ.get("RANK", "0") == "0":
        for name in {names!r}:
            os.kill(os.getpid(), getattr(signal, name))
    average(*arguments)
train._update_average = counted
sys.exit(main("train photos -o out --steps 6 --network small --size 16 --batch 2".split()))
"""
# A run that is killed when it has written so many files of its first checkpoint.
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import restore.files, restore.priors.loaders.folder as folder, restore.training.state as state
import test_training
write, count = restore.files.write_atomically, 0
def counted(path, content, **words):
    global count
    if {inside!r} and count == {files}:
        def content(temporary):
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    write(path, content, **words)
    count += 1
    if count == {files}:
        os.kill(os.getpid(), signal.SIGKILL)
folder.write_atomically = state.write_atomically = counted
test_training.run(Path({out!r}), save_every=0)
"""


def program(code: str, place: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photos/a.png", np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    return tmp_path


# Signals


@pytest.mark.parametrize(
    ("names", "code"),
    [
        pytest.param(["SIGINT"], 130, marks=pytest.mark.slow),
        (["SIGTERM"], 143),
        pytest.param(["SIGHUP"], 129, marks=pytest.mark.slow),
        pytest.param(["SIGINT", "SIGTERM"], 130, marks=pytest.mark.slow),  # As launchers do on Ctrl-C.
        pytest.param(["SIGTERM", "SIGTERM"], 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_is_told_by_the_exit_code(place: Path, names: list[str], code: int) -> None:
    done = program(STOPPED.format(names=names), place)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "warning: interrupted at step 4; saved, --resume continues" in done.stderr
    assert torch.load(place / "out" / STATE, weights_only=True)["step"] == 4
    folder.load(place / "out")


@pytest.mark.slow
def test_a_signal_to_one_process_ends_all_in_the_same_step(place: Path) -> None:
    (place / "program.py").write_text(STOPPED.format(names=["SIGTERM"]))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "program.py"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1, done.stderr  # The launcher's own word for any failure.
    assert "exitcode: 143" in " ".join(done.stderr.replace("exitcode  :", "exitcode:").split())
    assert done.stderr.count("interrupted at step 4; saved, --resume continues") == 1
    assert torch.load(place / "out" / STATE, weights_only=True)["step"] == 4


def test_a_second_ctrl_c_stops_at_once() -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)
            assert interrupt.number == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_in_the_last_step_is_no_interruption(tmp_path: Path) -> None:
    report, _ = run(tmp_path, steps=3, on_step=lambda report: report.step == 3 and signal.raise_signal(signal.SIGTERM))
    assert (report.step, report.progress, report.stopped_by) == (3, 1, 0)


def test_save_every_is_a_flag(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    save = module.save_state
    monkeypatch.setattr(module, "save_state", lambda path, state: (saved.append(state["step"]), save(path, state)))
    words = ["train", "photos", "-o", "out", "--steps", "3", "--network", "small", "--size", "16", "--batch", "2"]
    assert main([*words, "--save-every", "0.0001"]) == 0
    assert saved == [1, 2, 3, 3]
    assert "--save-every 0.0001" in Path("out/README.md").read_text()


@pytest.mark.parametrize(
    ("files", "inside"),
    [pytest.param(*place, marks=pytest.mark.slow) for place in ((0, True), (1, False), (1, True), (2, False), (4, False))]
    + [(3, False)],
)
def test_a_run_that_is_killed_in_its_first_checkpoint_can_be_continued(tmp_path: Path, files: int, inside: bool) -> None:
    out = tmp_path / "killed"
    done = program(KILLED.format(tests=str(ROOT / "tests"), out=str(out), files=files, inside=inside))
    assert done.returncode == -signal.SIGKILL, done.stderr
    run(out, resume=True)
    run(tmp_path / "whole")
    same_weights(out, tmp_path / "whole")
    assert not list(out.glob("*.part"))


def test_a_state_without_a_model_is_not_resumed_as_another_family(tmp_path: Path) -> None:
    run(tmp_path, steps=2)
    (tmp_path / folder.CONFIG).unlink()
    state = torch.load(tmp_path / STATE, weights_only=True)
    torch.save({**state, "config": {**CONFIG, "family": "ve"}}, tmp_path / STATE)
    with pytest.raises(PriorError, match="cannot be resumed as edm"):
        run(tmp_path, steps=4, resume=True)


# Damaged files

LINES = {
    "no JSON": b"{'step': 1}\n",
    "half a line": b'{"step": 1, "lo',
    "another type": b"[1, 2]\n",
    "no step": b'{"loss": 1.0}\n',
    "a step of text": b'{"step": "one"}\n',
    "nested": b"[" * 100_000 + b"\n",
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("kind", LINES)
def test_damaged_metrics_are_left_out(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, steps=2)
    (tmp_path / METRICS).write_bytes(b'{"step": 1, "loss": 0.5}\n' + LINES[kind])
    report, _ = run(tmp_path, steps=3, resume=True)
    assert report.step == 3
    assert (tmp_path / METRICS).read_text() == '{"step": 1, "loss": 0.5}\n'
    assert f"{METRICS}: " in caplog.text


def _spoilt(state: dict, **parts: object) -> dict:
    return {**state, **parts}


STATES = {
    "empty": lambda state: b"",
    "text": lambda state: b"not a state",
    "a list": lambda state: [state],
    "a number": lambda state: 3,
    "no weights": lambda state: _spoilt(state, prior=None),
    "weights of numbers": lambda state: _spoilt(state, prior=dict.fromkeys(state["prior"], 1.0)),
    "weights that are not finite": lambda state: _spoilt(
        state, average={name: value * float("nan") for name, value in state["average"].items()}
    ),
    "a step of text": lambda state: _spoilt(state, step="two"),
    "a step below 0": lambda state: _spoilt(state, step=-2),
    "seconds of NaN": lambda state: _spoilt(state, seconds=float("nan")),
    "seconds of text": lambda state: _spoilt(state, seconds="long"),
    "losses of text": lambda state: _spoilt(state, losses="none"),
    "more losses than steps": lambda state: _spoilt(state, losses=torch.ones(9)),
    "one loss": lambda state: _spoilt(state, losses=torch.tensor(1.0)),
    "no optimizer": lambda state: _spoilt(state, optimizer={}),
    "an optimizer without moments": lambda state: _spoilt(state, optimizer={**state["optimizer"], "state": {}}),
    "moments of other weights": lambda state: _spoilt(
        state,
        optimizer={
            **state["optimizer"],
            "state": {key: {**one, "exp_avg": torch.ones(5)} for key, one in state["optimizer"]["state"].items()},
        },
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_a_damaged_state_is_one_line(tmp_path: Path, kind: str) -> None:
    run(tmp_path, steps=2)
    path = tmp_path / STATE
    made = STATES[kind](torch.load(path, weights_only=True))
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        torch.save(made, path)
    before = path.read_bytes()
    with pytest.raises(PriorError) as caught:
        run(tmp_path, steps=4, resume=True)
    assert str(caught.value).startswith(f"{path}: this training run cannot be resumed with these options, or is damaged: ")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("seed", range(8))
def test_a_state_with_damaged_bytes_is_refused_or_goes_on(tmp_path: Path, seed: int) -> None:
    run(tmp_path, steps=2)
    path, random = tmp_path / STATE, np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for place in random.integers(0, len(content), 20):
        content[place] ^= 1 << random.integers(8)
    path.write_bytes(content[: len(content) - (seed % 2) * 50])
    said, steps = "", 0
    try:
        steps = run(tmp_path, steps=4, resume=True)[0].step
    except PriorError as error:
        said = str(error)
    assert steps == 4 or said.startswith(f"{path}: ")
    assert "\n" not in said


# What cannot be written


def test_a_file_in_place_of_the_folder_is_one_line(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("out").write_text("mine")
    assert main(["train", "photos", "-o", "out", "--steps", "1", "--network", "small", "--size", "16"]) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == "error: out: cannot be written (File exists); check the name, space and permissions"
    assert Path("out").read_text() == "mine"


def test_a_disk_that_is_full_for_a_while_costs_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save = module.save_state

    def sometimes(path: Path, state: dict) -> None:
        if state["step"] < 3:
            raise OSError(28, "No space left on device")
        save(path, state)

    monkeypatch.setattr(module, "save_state", sometimes)
    report, _ = run(tmp_path, steps=4, save_every=0)
    assert report.step == 4
    assert caplog.text.count("cannot be written (No space left on device); the run goes on and tries again") == 2
    assert torch.load(tmp_path / STATE, weights_only=True)["step"] == 4


def test_a_disk_that_is_full_at_the_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, state: dict) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_state", full)
    with pytest.raises(RestoreError, match="cannot be written"):
        run(tmp_path, steps=2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_metrics_that_cannot_be_written_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / METRICS).symlink_to("/dev/full")
    report, _ = run(tmp_path, steps=100, batch=1)
    assert report.step == 100
    assert f"{METRICS} cannot be written" in caplog.text


def test_metrics_have_their_lines(tmp_path: Path) -> None:
    run(tmp_path, steps=100, batch=1)
    assert [json.loads(line)["step"] for line in (tmp_path / METRICS).read_text().splitlines()] == [100]
