"""The command line end to end with a toy prior: files, names, batches, records, interruption."""

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
from toys import TOY, Command, Ran, files, picture, process, truncated

from restore import images


def test_one_picture(restore: Command, place: Path) -> None:
    ran = restore("soften", "img.png", *TOY)
    assert ran == Ran(0, "img.soften.png\n", "")
    assert cv2.imread("img.soften.png").shape == (12, 16, 3)
    assert files(place) == ["img.png", "img.soften.png"]


def test_what_is_done_is_skipped_and_what_was_named_is_an_error(restore: Command, place: Path) -> None:
    assert restore("soften", "img.png", *TOY).code == 0
    ran = restore("soften", "img.png", *TOY)
    assert ran == Ran(0, "", "img.png: skipped, img.soften.png exists (--overwrite replaces it)\n")
    ran = restore("soften", "img.png", "-o", "img.soften.png", *TOY)
    assert ran == Ran(1, "", "error: img.png: img.soften.png exists already; add --overwrite, or name another file\n")
    assert restore("soften", "img.png", *TOY, "--overwrite").out == "img.soften.png\n"
    assert restore("soften", "img.png", *TOY, "-q") == Ran(0, "", "")


def test_a_folder_is_mirrored_and_results_are_no_inputs(restore: Command, place: Path) -> None:
    picture(place / "in/a.png", 1)
    picture(place / "in/deep/b.png", 2)
    ran = restore("soften", "in", *TOY)
    assert (ran.code, ran.out.split()) == (0, ["in/a.soften.png", "in/deep/b.soften.png"])
    ran = restore("soften", "in", "-o", "in/out", *TOY)
    assert (ran.code, ran.out.split()) == (0, ["in/out/a.png", "in/out/deep/b.png"])
    ran = restore("soften", "in", "-o", "in/out", *TOY)
    said = "in: left out 2 results of earlier runs (a.soften.png, deep/b.soften.png)"
    assert (ran.code, ran.out, len(ran.err.splitlines()), ran.err.splitlines()[0]) == (0, "", 3, said)
    ran = restore("soften", "img.png", "-o", "new/", *TOY)
    assert (ran.code, ran.out) == (0, "new/img.png\n")
    assert (place / "in/a.soften.png").read_bytes() == (place / "in/out/a.png").read_bytes()


def test_two_results_of_one_name_are_refused(restore: Command, place: Path) -> None:
    picture(place / "a/x.png")
    picture(place / "b/x.png")
    ran = restore("soften", "a/x.png", "b/x.png", "-o", "out", *TOY)
    assert (ran.code, ran.err) == (2, "error: out/x.png would be written twice, for a/x.png and b/x.png; run them one by one\n")


def test_a_bad_picture_is_one_line_and_the_rest_go_on(restore: Command, place: Path) -> None:
    picture(place / "in/a.png")
    truncated(place / "in/b.png")
    picture(place / "in/c.png")
    ran = restore("soften", "in", "gone.png", "-o", "out", *TOY)
    assert (ran.code, ran.out) == (1, "out/a.png\nout/c.png\n")
    first, second = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert first.startswith("error: in/b.png: ")
    assert second == "error: gone.png: no such file or folder; check the name"
    assert ran.err.splitlines()[-1] == "2 of 4 pictures failed"


def test_every_picture_of_a_folder_takes_its_own_mask(restore: Command, place: Path) -> None:
    for name in ("a.png", "deep/b.jpg", "c.png"):
        picture(place / "in" / name)
    mask = np.zeros((12, 16), np.uint8)
    mask[4:8, 4:8] = 255
    (place / "masks/deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        cv2.imwrite(str(place / "masks" / name), mask)
    ran = restore("patch", "in", "--mask", "masks", "-o", "out", *TOY)
    assert (ran.code, ran.out) == (1, "out/a.png\nout/deep/b.jpg\n")
    assert "error: in/c.png: no mask for it; looked for masks/c.*\n" in ran.err


def test_json_is_an_object_a_picture_and_nothing_else(restore: Command, place: Path) -> None:
    picture(place / "in/a.png")
    truncated(place / "in/b.png")
    ran = restore("soften", "in", *TOY, "--json")
    done, failed = map(json.loads, ran.out.splitlines())
    assert ran.code == 1
    assert (done["status"], done["input"], done["output"], done["error"]) == ("done", "in/a.png", "in/a.soften.png", None)
    assert (done["task"], done["seed"]) == ("soften", 0)
    assert done["seconds"] > 0
    assert (failed["status"], failed["input"]) == ("failed", "in/b.png")
    assert "in/b.png" in failed["error"]
    again = [json.loads(line)["status"] for line in restore("soften", "in/a.png", *TOY, "--json").out.splitlines()]
    assert again == ["skipped"]


def test_a_plan_counts_reading_and_writing(restore: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(images, "seconds_to_write", lambda path, picture, pixels: asked.append(pixels) or 1000.0, raising=False)
    told = json.loads(restore("soften", "img.png", *TOY, "--plan", "--json").out)
    assert told["estimate"]["seconds"] > 1000
    assert asked == [12 * 16]


def test_a_plan_is_printed_and_nothing_is_done(restore: Command, place: Path) -> None:
    picture(place / "b.png")
    ran = restore("soften", "img.png", "b.png", "-o", "out/", *TOY, "--plan")
    lines = ran.out.splitlines()
    assert (ran.code, ran.err, len(lines)) == (0, "", 2)
    told = "img.png: 16x12 pixels; windows: 1 of 16x12; transitions: 1; evaluations: 1; memory: "
    assert lines[0].startswith(told)
    ran = restore("soften", "img.png", *TOY, "--plan", "--json", "--max-memory", "20GB")
    told = json.loads(ran.out)
    assert (told["status"], told["estimate"]["evaluations"], told["estimate"]["windows"]) == ("planned", 1, [[1, 16, 12]])
    assert files(place) == ["b.png", "img.png"]
    assert "plan" not in json.loads(restore("soften", "img.png", "--dry-run", "--json").out)


def test_too_little_memory_is_said_for_each_picture(restore: Command, place: Path) -> None:
    ran = restore("soften", "img.png", *TOY, "--max-memory", "1MB")
    assert ran.code == 4
    assert ran.err.startswith("error: img.png: 1 MB of memory are too little for a picture of 16x12 pixels and the smallest")
    assert files(place) == ["img.png"]
    assert restore("soften", "img.png", *TOY, "--max-memory", "1MB", "--tile", "64").code == 0  # A tile that is named wins.


def test_dry_run_says_what_would_be_written(restore: Command, place: Path) -> None:
    assert restore("soften", "img.png", "--dry-run") == Ran(0, "img.soften.png\n", "")
    assert json.loads(restore("soften", "img.png", "--dry-run", "--json").out)["status"] == "planned"
    assert files(place) == ["img.png"]


def test_strict_fails_a_result_that_does_not_agree_with_its_input(restore: Command) -> None:
    assert restore("soften", "img.png", *TOY, "--strict", "--mood", "good").code == 0
    spoilt = restore("soften", "img.png", *TOY, "--strict", "--mood", "spoilt", "--overwrite")
    assert (spoilt.code, spoilt.out) == (1, "")
    assert "error: img.soften.png does not agree with its input: " in spoilt.err
    assert spoilt.err.endswith("times the noise away, --strict allows 1.5\n")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_record_makes_the_same_picture_again(restore: Command, place: Path, suffix: str) -> None:
    picture(place / f"p/x{suffix}")
    mask = np.zeros((12, 16), np.uint8)
    mask[4:8, 4:8] = 255
    cv2.imwrite("m.png", mask)
    given = ["patch", f"p/x{suffix}", "--mask", "m.png", "--record", "--seed", "7", "--guidance", "ddnm", *TOY]
    assert restore(*given).code == 0
    made = place / f"p/x.patch{suffix}"
    ran = restore("rerun", str(made), "-o", f"again{suffix}")
    assert ran == Ran(0, f"again{suffix}\n", "")
    assert np.array_equal(cv2.imread(f"again{suffix}"), cv2.imread(str(made)))
    assert (place / f"p/x.patch{suffix}.json").exists() == (suffix == ".jpg")

    assert restore("rerun", str(made)).err.endswith("exists already; add --overwrite, or name another file\n")
    picture(place / f"p/x{suffix}", seed=9)
    ran = restore("rerun", str(made), "-o", "other.png")
    assert (ran.code, ran.err) == (1, f"error: p/x{suffix} is not the input {made} was made from: its content differs\n")


def test_uncertainty_is_a_picture_of_the_spread(restore: Command, place: Path) -> None:
    cv2.imwrite("m.png", np.full((12, 16), 255, np.uint8))
    words = ["patch", "img.png", "--mask", "m.png", "--samples", "2", "--guidance", "ddnm", *TOY]
    ran = restore(*words, "--uncertainty", "map.png")
    assert (ran.code, ran.out) == (0, "img.patch.png\n")
    assert cv2.imread("map.png").ndim == 3


def test_an_interrupted_run_ends_with_130_and_leaves_nothing_half_written(place: Path) -> None:
    cv2.imwrite(str(place / "m.png"), np.full((12, 16), 255, np.uint8))
    words = ["patch", "img.png", "--mask", "m.png", "--prior", "toy:slow", "--steps", "500", "--guidance", "ddnm"]
    running = process(place, *words)
    assert running.stderr is not None
    assert any("at work" in line for line in running.stderr)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted; finished results are kept"
    assert files(place) == ["img.png", "m.png"]


def test_the_module_is_the_command_and_completes_its_words(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RESTORE_COMPLETE", "bash_complete")
    for words, offered in (("restore sof", "plain,soften"), ("restore soften --mood sp", "plain,spoilt")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        out, err = (running := process(place)).communicate(timeout=60)
        assert (running.returncode, out.split(), err) == (0, [offered], "")


def test_threads_are_those_asked_for(place: Path, restore: Command) -> None:
    before = torch.get_num_threads()
    try:
        ran = restore("soften", "img.png", *TOY, "--threads", "1", "-v")
        assert ran.code == 0
        assert "cpu, 1 threads" in ran.err
    finally:
        torch.set_num_threads(before)
    assert restore("soften", "img.png", *TOY, "--threads", "0").code == 2


def test_results_of_other_tasks_and_other_files_are_left_out_and_named(restore: Command, place: Path) -> None:
    picture(place / "in/a.png", 1)
    picture(place / "in/b.patch.png", 2)  # No b.*: a picture of this name.
    picture(place / "in/a.patch.png", 3)
    (place / "in/notes.txt").write_text("x")
    (place / "in/none").write_text("x")
    ran = restore("soften", "in", *TOY)
    assert ran.out.split() == ["in/a.soften.png", "in/b.patch.soften.png"]
    assert ran.err.splitlines() == [
        "in: left out 1 results of earlier runs (a.patch.png)",
        "in: left out 2 files that are no pictures by their suffix (none, notes.txt)",
    ]


def test_format_quality_and_suffix_of_results(restore: Command, place: Path) -> None:
    assert restore("soften", "img.png", *TOY, "--format", "jpg", "--jpeg-quality", "60").out == "img.soften.jpg\n"
    small = (place / "img.soften.jpg").stat().st_size
    assert restore("soften", "img.png", *TOY, "--suffix", "-new", "--format", "jpg").out == "img-new.jpg\n"
    assert (place / "img-new.jpg").stat().st_size > small
    picture(place / "in/a.png", 1)
    assert restore("soften", "in", "-o", "out", *TOY, "--format", "tif").out == "out/a.tif\n"
    assert restore("soften", "in", "-o", "out", *TOY, "--suffix", ".new").out == "out/a.new.png\n"
    ran = restore("soften", "img.png", *TOY, "--format", "jpg", "-o", "x.png")
    assert ran.code == 2
    assert "--format jpg, but -o x.png names another format" in ran.err
    for suffix in ("", "a/b"):
        assert restore("soften", "img.png", *TOY, "--suffix", suffix).code == 2


def test_a_run_that_was_stopped_between_its_files_is_completed(restore: Command, place: Path) -> None:
    words = ["soften", "img.png", *TOY, "--guidance", "denoising-samples", "--samples", "2", "--uncertainty", "map.png"]
    assert restore(*words).code == 0
    whole = {name: (place / name).read_bytes() for name in files(place)}
    (place / "img.soften.png").unlink()  # The picture is written last.
    (place / ".restore-00000000-1-0.part").write_bytes(b"x")  # Of another machine.
    assert restore(*words).code == 0
    assert {name: (place / name).read_bytes() for name in whole} == whole
    (place / "map.png").unlink()
    ran = restore(*words)
    assert ran.code == 1
    assert "img.soften.png exists already, without map.png; --overwrite makes all of them" in ran.err
    picture(place / "map.png", 5)  # A person's own file.
    (place / "img.soften.png").unlink()
    assert "map.png exists already" in restore(*words).err


def test_parts_of_dead_processes_are_cleared(restore: Command, place: Path) -> None:
    from restore.files import _machine

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = (place / f".restore-{_machine()}-{number}-{'0' * 32}.part" for number in (ended.pid, os.getpid()))
    for path in (dead, alive):
        path.write_bytes(b"x")
    assert restore("soften", "img.png", *TOY).code == 0
    assert alive.exists()
    assert not dead.exists()


def test_another_process_may_make_a_result_meanwhile(restore: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from restore.cli import completion

    def late(path: Path, *rest: object) -> None:
        Path(path).write_bytes(b"made elsewhere")
        save(path, *rest)

    save = completion.save
    monkeypatch.setattr(completion, "save", late)
    ran = restore("soften", "img.png", *TOY)
    assert (ran.code, ran.out) == (0, "")
    assert "skipped, another process has made img.soften.png meanwhile" in ran.err
    assert (place / "img.soften.png").read_bytes() == b"made elsewhere"


def test_a_pipe_carries_pictures(place: Path) -> None:
    data = (place / "img.png").read_bytes()
    ran = subprocess.run(
        [sys.executable, "-m", "restore", "denoise", "-", "--sigma", "10", "--dtype", "float32", "--format", "jpg"],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "RESTORE_PLUGINS": ""},
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert images.decode(ran.stdout, "out").size == (12, 16)
    assert files(place) == ["img.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-", "img.png"], "takes one picture"),
        (["img.png", "-o", "-", "--json"], "no place for --json"),
        (["img.png", "-o", "-", "--record"], "no place for --json or --record"),
    ],
)
def test_what_standard_output_cannot_carry(words: list[str], said: str, restore: Command) -> None:
    ran = restore("soften", *words, *TOY)
    assert ran.code == 2
    assert said in ran.err
