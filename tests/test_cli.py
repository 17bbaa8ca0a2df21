"""The command line end to end: names, exit codes and messages, with a toy prior and toy tasks from a plugin."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from distributions import environment, install

from restore import options, plugins
from restore.cli import main
from restore.cli.root import root
from restore.cli.task import common

TOYS = """
from restore.errors import OutOfMemoryError, PictureError, UsageError

@dataclass
class Patch:
    mask: Any = field(default=None, metadata={"picture": True, "help": "white is filled"})

class Patcher(Task):
    name, help, Options = "patch", "Fill what a mask marks.", Patch
    def problem(self, picture, options):
        from restore.images import read_mask
        from restore.operators import Mask
        from restore.problem import Problem
        if options.mask is None:
            raise UsageError("patch needs a mask: --mask FILE")
        keep = ~read_mask(options.mask, picture.size)
        return Problem(y=keep * picture.pixels, operator=Mask(keep), sigma_y=0.0, shape=tuple(picture.pixels.shape))

@dataclass
class Mood:
    mood: str = field(default="good", metadata={"choices": ["good", "bug", "memory", "usage", "spoilt"]})

class Soften(Task):
    name, help, Options = "soften", "Take out a little noise.", Mood
    def problem(self, picture, options):
        from restore.operators import Identity
        from restore.problem import Problem
        if options.mood == "bug":
            raise RuntimeError("shapes do\\n not fit")
        if options.mood == "memory":
            raise OutOfMemoryError("not enough memory for this picture; give a smaller --tile")
        if options.mood == "usage":
            raise UsageError("soften cannot be used today")
        return Problem(y=picture.pixels, operator=Identity(), sigma_y=0.1, shape=tuple(picture.pixels.shape))
    def finish(self, picture, restored, options):
        return picture.with_pixels(-picture.pixels if options.mood == "spoilt" else restored)

@hookimpl
def restore_tasks():
    return [Patcher(), Soften()]

@hookimpl
def restore_priors():
    return {"toy": load}

def load(name, *, dtype, local_files_only):
    import sys, time
    from restore.priors import Prior
    class Toy(Prior):
        def denoise(self, x, sigma):
            if name == "slow":
                print("at work", file=sys.stderr, flush=True)
                time.sleep(0.2)
            return x / (1 + sigma[:, None, None, None] ** 2)
    return Toy()
"""
TOY = ["--prior", "toy:fast", "--device", "cpu", "--dtype", "float32", "--steps", "2"]
# To be taken away once restore/images/__init__.py imports its modules when they are first used.
EAGER_IMAGES = pytest.mark.xfail(strict=True, reason="restore.images.find cannot be had without torch")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with img.png (16x12), where the toys are installed."""
    monkeypatch.setenv(plugins.SELECTION, "restore-toys")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    picture(folder / "img.png")
    with environment(tmp_path / "site") as site:
        install(site, "restore-toys", TOYS)
        yield folder


@pytest.fixture
def restore(place: Path, capfd: pytest.CaptureFixture[str]) -> object:
    def run(*arguments: str) -> Ran:
        capfd.readouterr()
        code = main(arguments)
        return Ran(code, *capfd.readouterr())

    return run


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8))


def truncated(path: Path) -> None:
    picture(path)
    path.write_bytes(path.read_bytes()[:200])


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def process(place: Path, *arguments: str, code: str | None = None) -> subprocess.Popen[str]:
    program = ["-c", code] if code else ["-m", "restore"]
    root_folder = Path(plugins.__file__).parent.parent
    paths = os.pathsep.join([str(place.parent / "site"), str(root_folder)])
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Before a picture is touched


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "soften --help",
        "plugins",
        "schema patch",
        "sotfen img.png",
        "dead-columns img.png",
        pytest.param("soften img.png --dry-run", marks=EAGER_IMAGES),
        pytest.param("soften gone.png", marks=EAGER_IMAGES),
    ],
)
def test_torch_is_not_loaded_before_a_picture_is(place: Path, arguments: str) -> None:
    code = f"import sys; from restore.cli import main; main({arguments.split()!r}); assert 'torch' not in sys.modules, 'torch'"
    start = time.perf_counter()
    _, err = (running := process(place, code=code)).communicate(timeout=60)
    print(f"restore {arguments}: {time.perf_counter() - start:.2f} s")
    assert running.returncode == 0, err


def test_help_lists_tasks_and_commands(restore) -> None:
    ran = restore("--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Tasks:" in ran.out
    assert "Take out a little noise.\n" in ran.out
    assert "  models   List priors" in ran.out
    assert "_RESTORE_COMPLETE=bash_source restore" in ran.out


def test_no_words_at_all_is_help_and_a_usage_error(restore) -> None:
    ran = restore()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: restore")


def test_help_of_a_task_shows_its_own_flags_first(restore) -> None:
    ran = restore("patch", "--help")
    assert ran.code == 0
    assert ran.out.index("--mask FILE") < ran.out.index("Options of every task") < ran.out.index("--seed N")


def test_version(restore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")
    assert restore("--version") == Ran(0, "restore 1.2.3\n", "")


BAD_WORDS = {
    "sotfen img.png": (2, "unknown task 'sotfen'; did you mean 'soften'?"),
    "plugin": (2, "unknown task 'plugin'; did you mean 'plugins'?"),
    "img.png": (2, "'img.png' is no task but a file or folder; write restore TASK img.png"),
    "dead-columns img.png": (2, "task 'dead-columns' is not installed; pip install restore-dead-columns"),
    "--hlep": (2, "unknown option '--hlep'; did you mean '--help'?"),
    "soften": (2, "missing argument 'IN...'; see restore soften --help"),
    "patch img.png --msk m.png": (2, "unknown option '--msk'; did you mean '--mask'?"),
    "soften img.png --qqqq": (2, "unknown option '--qqqq'; see restore soften --help"),
    "soften img.png --mood godo": (
        2,
        "invalid value for '--mood': 'godo' is none of good, bug, memory, usage, spoilt; see restore soften --help",
    ),
    "soften img.png --seed x": (2, "invalid value for '--seed': 'x' is not a valid integer; see restore soften --help"),
    "soften img.png --uncertainty u.png": (2, "--uncertainty is the spread of samples; give --samples 2 or more"),
    "soften img.png -o img.png --overwrite": (
        2,
        "img.png is an input, and inputs are never written over; name another place with -o",
    ),
    "soften img.png -o result": (2, "-o result: name a picture file, or a folder with a / at its end"),
    "soften img.png a -o b.png": (2, "-o b.png looks like a file, but there may be several results; name a folder"),
    "soften a b": (1, "a: no such file or folder; check the name"),
    "soften gone.png": (1, "gone.png: no such file or folder; check the name"),
    "patch img.png --mask gone.png": (1, "--mask gone.png: no such file or folder; check the name"),
    "patch img.png --prior toy:fast": (2, "patch needs a mask: --mask FILE"),
    "soften img.png --prior potho": (3, "prior 'potho' is no bundled prior, folder or Hub id; did you mean 'photo'?"),
    "soften img.png --prior tyo:1": (2, "unknown prior 'tyo'; did you mean 'toy'?"),
    "soften img.png -o img.png/deep/": (1, "img.png/deep: no folder can be made here (Not a directory); name another place"),
    "soften img.png --mood usage --prior toy:fast": (2, "soften cannot be used today"),
    "soften img.png --mood memory --prior toy:fast": (
        4,
        "img.png: not enough memory for this picture; give a smaller --tile",
    ),
    "soften img.png --mood bug --prior toy:fast": (
        1,
        "img.png: this is a bug, please report it with the output of -vv (RuntimeError: shapes do not fit)",
    ),
    "schema sotfen": (2, "unknown task 'sotfen'; did you mean 'soften'?"),
    "models info gone": (3, "'gone' is no bundled model and no model folder; known: photo"),
    "models verify gone": (3, "prior 'gone' is no bundled prior, folder or Hub id; known: photo"),
    "rerun gone.png": (1, "gone.png: no such file; check the name"),
    "rerun img.png": (1, "img.png: no record in it or in img.png.json; records are kept with --record"),
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_bad_words_are_one_error_line_and_a_stated_code(restore, words: str) -> None:
    code, said = BAD_WORDS[words]
    ran = restore(*words.split())
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert (ran.code, errors[0]) == (code, f"error: {said}")
    assert len(errors) == 1 + (words == "soften a b")
    assert files(Path.cwd()) == ["img.png"]


def test_a_folder_is_wanted_for_several_results(restore, place: Path) -> None:
    picture(place / "b.png")
    ran = restore("soften", "img.png", "b.png", "-o", "b.png")
    assert (ran.code, ran.err) == (2, "error: -o b.png looks like a file, but there may be several results; name a folder\n")


def test_tracebacks_are_shown_when_asked_for(restore) -> None:
    ran = restore("soften", "img.png", "--mood", "bug", *TOY, "-vv")
    assert "Traceback" in ran.err
    assert "Traceback" not in restore("soften", "img.png", "--mood", "bug", *TOY, "-v").err


# Results


def test_one_picture(restore, place: Path) -> None:
    ran = restore("soften", "img.png", *TOY)
    assert ran == Ran(0, "img.soften.png\n", "")
    assert cv2.imread("img.soften.png").shape == (12, 16, 3)
    assert files(place) == ["img.png", "img.soften.png"]


def test_what_is_done_is_skipped_and_what_was_named_is_an_error(restore, place: Path) -> None:
    assert restore("soften", "img.png", *TOY).code == 0
    ran = restore("soften", "img.png", *TOY)
    assert ran == Ran(0, "", "img.png: skipped, img.soften.png exists (--overwrite replaces it)\n")
    ran = restore("soften", "img.png", "-o", "img.soften.png", *TOY)
    assert ran == Ran(1, "", "error: img.png: img.soften.png exists already; add --overwrite, or name another file\n")
    assert restore("soften", "img.png", *TOY, "--overwrite").out == "img.soften.png\n"
    assert restore("soften", "img.png", *TOY, "-q") == Ran(0, "", "")


def test_a_folder_is_mirrored_and_results_are_no_inputs(restore, place: Path) -> None:
    picture(place / "in/a.png", 1)
    picture(place / "in/deep/b.png", 2)
    ran = restore("soften", "in", *TOY)
    assert (ran.code, ran.out.split()) == (0, ["in/a.soften.png", "in/deep/b.soften.png"])
    ran = restore("soften", "in", "-o", "in/out", *TOY)
    assert (ran.code, ran.out.split()) == (0, ["in/out/a.png", "in/out/deep/b.png"])
    ran = restore("soften", "in", "-o", "in/out", *TOY)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (0, "", 2)
    ran = restore("soften", "img.png", "-o", "new/", *TOY)
    assert (ran.code, ran.out) == (0, "new/img.png\n")
    assert (place / "in/a.soften.png").read_bytes() == (place / "in/out/a.png").read_bytes()


def test_two_results_of_one_name_are_refused(restore, place: Path) -> None:
    picture(place / "a/x.png")
    picture(place / "b/x.png")
    ran = restore("soften", "a/x.png", "b/x.png", "-o", "out", *TOY)
    assert (ran.code, ran.err) == (2, "error: out/x.png would be written twice, for a/x.png and b/x.png; run them one by one\n")


def test_a_bad_picture_is_one_line_and_the_rest_go_on(restore, place: Path) -> None:
    picture(place / "in/a.png")
    truncated(place / "in/b.png")
    picture(place / "in/c.png")
    ran = restore("soften", "in", "gone.png", "-o", "out", *TOY)
    assert (ran.code, ran.out) == (1, "out/a.png\nout/c.png\n")
    first, second = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert first.startswith("error: in/b.png: ")
    assert second == "error: gone.png: no such file or folder; check the name"
    assert ran.err.splitlines()[-1] == "2 of 4 pictures failed"


def test_every_picture_of_a_folder_takes_its_own_mask(restore, place: Path) -> None:
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


def test_json_is_an_object_a_picture_and_nothing_else(restore, place: Path) -> None:
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


def test_dry_run_says_what_would_be_written(restore, place: Path) -> None:
    assert restore("soften", "img.png", "--dry-run") == Ran(0, "img.soften.png\n", "")
    assert json.loads(restore("soften", "img.png", "--dry-run", "--json").out)["status"] == "planned"
    assert files(place) == ["img.png"]


def test_strict_fails_a_result_that_does_not_agree_with_its_input(restore) -> None:
    assert restore("soften", "img.png", *TOY, "--strict", "--mood", "good").code == 0
    spoilt = restore("soften", "img.png", *TOY, "--strict", "--mood", "spoilt", "--overwrite")
    assert (spoilt.code, spoilt.out) == (1, "")
    assert "error: img.soften.png does not agree with its input: " in spoilt.err
    assert spoilt.err.endswith("times the noise away, --strict allows 1.5\n")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_record_makes_the_same_picture_again(restore, place: Path, suffix: str) -> None:
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


def test_uncertainty_is_a_picture_of_the_spread(restore, place: Path) -> None:
    cv2.imwrite("m.png", np.full((12, 16), 255, np.uint8))
    words = ["patch", "img.png", "--mask", "m.png", "--samples", "2", "--guidance", "ddnm", *TOY]
    ran = restore(*words, "--uncertainty", "map.png")
    assert (ran.code, ran.out) == (0, "img.patch.png\n")
    assert cv2.imread("map.png").ndim == 3


# Processes


def test_an_interrupted_run_ends_with_130_and_leaves_nothing_half_written(place: Path) -> None:
    cv2.imwrite(str(place / "m.png"), np.full((12, 16), 255, np.uint8))
    words = ["patch", "img.png", "--mask", "m.png", "--prior", "toy:slow", "--steps", "500", "--guidance", "ddnm"]
    running = process(place, *words)
    assert running.stderr is not None
    assert any("at work" in line for line in running.stderr)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted; what was finished is kept"
    assert files(place) == ["img.png", "m.png"]


def test_the_module_is_the_command_and_completes_its_words(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RESTORE_COMPLETE", "bash_complete")
    for words, offered in (("restore sof", "plain,soften"), ("restore soften --mood sp", "plain,spoilt")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        out, err = (running := process(place)).communicate(timeout=60)
        assert (running.returncode, out.split(), err) == (0, [offered], "")


# About the toolkit


def test_plugins_are_listed(restore) -> None:
    ran = restore("plugins")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == ["plugin", "distribution", "version", "state", "loaded", "in", "error"]
    assert any(line.split()[:4] == ["restore-toys", "restore-toys", "1.0", "ok"] for line in ran.out.splitlines())
    listed = json.loads(restore("plugins", "--json").out)
    assert {"name", "distribution", "version", "state", "error", "seconds", "heavy"} == set(listed[0])


def test_the_doctor_finds_heavy_and_broken_plugins(restore, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = place.parent / "site"
    install(site, "restore-heavy", "import torch\n@hookimpl\ndef restore_tasks(): return [named('sink')]")
    install(site, "restore-ill", "1 / 0")
    plugins.load.cache_clear()
    monkeypatch.setenv(plugins.SELECTION, "restore-heavy,restore-ill")
    paths = os.pathsep.join([str(site), str(Path(plugins.__file__).parent.parent)])
    monkeypatch.setenv("PYTHONPATH", paths)
    ran = restore("plugins", "--doctor")
    assert ran.code == 1
    assert "warning: plugin restore-heavy of restore-heavy: imports torch when loaded; import it inside methods" in ran.err
    assert "warning: plugin restore-ill of restore-ill: ZeroDivisionError: division by zero" in ran.err


def test_schema_is_json(restore) -> None:
    schema = json.loads(restore("schema", "soften").out)
    assert schema["properties"]["mood"]["enum"][0] == "good"


def test_models_are_listed(restore) -> None:
    assert restore("models", "list").out.splitlines()[1].startswith("photo ")
    assert json.loads(restore("models", "list", "--json").out)[0]["name"] == "photo"


def test_no_task_can_take_the_name_of_a_command_or_a_flag() -> None:
    from restore.restorer import Restorer

    assert set(root.commands) | {"help"} == plugins.COMMANDS
    assert {flag.name for flag in common()} <= options.RESERVED
    keywords = set(inspect.signature(Restorer.stream).parameters) - {"self", "options"}
    assert keywords <= options.RESERVED
