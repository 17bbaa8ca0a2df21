"""The command line before it touches a picture: help, exit codes and messages for bad words, what it says of the toolkit."""

from __future__ import annotations

import inspect
import json
import os
import re
import time
from dataclasses import fields
from pathlib import Path

import pytest
from distributions import install
from toys import TOY, Command, Ran, files, picture, process

from restore.cli.root import root
from restore.cli.task import common
from restore.options.run_options import RESERVED, RunOptions
from restore.plugins import manager as plugins
from restore.plugins.contributions import COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "soften --help",
        "plugins",
        "schema patch",
        "sotfen img.png",
        "dead-columns img.png",
        "soften img.png --dry-run",
        "soften gone.png",
    ],
)
def test_torch_is_not_loaded_before_a_picture_is(place: Path, arguments: str) -> None:
    code = f"import sys; from restore.cli import main; main({arguments.split()!r}); assert 'torch' not in sys.modules, 'torch'"
    start = time.perf_counter()
    _, err = (running := process(place, code=code)).communicate(timeout=60)
    print(f"restore {arguments}: {time.perf_counter() - start:.2f} s")
    assert running.returncode == 0, err


def test_help_lists_tasks_and_commands(restore: Command) -> None:
    ran = restore("--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Tasks:" in ran.out
    assert "Take out a little noise.\n" in ran.out
    assert re.search(r"^  models +List priors", ran.out, re.MULTILINE)
    assert "_RESTORE_COMPLETE=bash_source restore" in ran.out


def test_no_words_at_all_is_help_and_a_usage_error(restore: Command) -> None:
    ran = restore()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: restore")


def test_help_of_a_task_shows_its_own_flags_first(restore: Command) -> None:
    ran = restore("patch", "--help")
    assert ran.code == 0
    assert ran.out.index("--mask FILE") < ran.out.index("Options of every task") < ran.out.index("--seed N")


def test_version(restore: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")
    assert restore("--version") == Ran(0, "restore 1.2.3\n", "")


BAD_WORDS = {
    "sotfen img.png": (2, "unknown task 'sotfen'; did you mean 'soften'?"),
    "plugin": (2, "unknown task 'plugin'; did you mean 'plugins'?"),
    "img.png": (2, "'img.png' is no task but a file or folder; write restore TASK img.png"),
    "dead-columns img.png": (2, f"task 'dead-columns' is not installed; {plugins.INSTALLING['dead-columns']}"),
    "--hlep": (2, "unknown option '--hlep'; did you mean '--help'?"),
    "soften": (2, "missing argument 'IN...'; see restore soften --help"),
    "patch img.png --msk m.png": (2, "unknown option '--msk'; did you mean '--mask' or '--frames'?"),
    "soften img.png --qqqq": (2, "unknown option '--qqqq'; see restore soften --help"),
    "soften img.png --mood godo": (
        2,
        "invalid value for '--mood': 'godo' is none of good, bug, memory, usage, spoilt; see restore soften --help",
    ),
    "soften img.png --seed x": (2, "invalid value for '--seed': 'x' is not a whole number; see restore soften --help"),
    "soften img.png --max-memory 2": (
        2,
        "'2' is no size of memory; give a number and a unit, such as 500MB, 2GB or 1.5GiB",
    ),
    "soften img.png --uncertainty u.png": (2, "--uncertainty shows how samples differ; give --samples 2 or more"),
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
        5,
        "img.png: task 'soften' of restore-toys 1.0 is at fault: Soften.problem raised RuntimeError: shapes do not fit",
    ),
    "schema sotfen": (2, "unknown task 'sotfen'; did you mean 'soften'?"),
    "models info gone": (3, "'gone' is no bundled model and no model folder; known: photo"),
    "models verify gone": (3, "prior 'gone' is no bundled prior, folder or Hub id; known: photo"),
    "rerun gone.png": (1, "gone.png: no such file; check the name"),
    "rerun img.png": (1, "img.png: no record in it or in img.png.json; records are kept with --record"),
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_bad_words_are_one_error_line_and_a_stated_code(restore: Command, words: str) -> None:
    code, said = BAD_WORDS[words]
    ran = restore(*words.split())
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert (ran.code, errors[0]) == (code, f"error: {said}")
    assert len(errors) == 1 + (words == "soften a b")
    assert files(Path.cwd()) == ["img.png"]


def test_a_folder_is_wanted_for_several_results(restore: Command, place: Path) -> None:
    picture(place / "b.png")
    ran = restore("soften", "img.png", "b.png", "-o", "b.png")
    assert (ran.code, ran.err) == (2, "error: -o b.png looks like a file, but there may be several results; name a folder\n")


def test_tracebacks_are_shown_when_asked_for(restore: Command) -> None:
    ran = restore("soften", "img.png", "--mood", "bug", *TOY, "-vv")
    assert "Traceback" in ran.err
    assert "Traceback" not in restore("soften", "img.png", "--mood", "bug", *TOY, "-v").err


def test_plugins_are_listed(restore: Command) -> None:
    ran = restore("plugins")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == ["plugin", "distribution", "version", "state", "loaded", "in", "error"]
    assert any(line.split()[:4] == ["restore-toys", "restore-toys", "1.0", "ok"] for line in ran.out.splitlines())
    listed = json.loads(restore("plugins", "--json").out)
    assert {"name", "distribution", "version", "state", "error", "seconds", "heavy", "left_out"} == set(listed[0])


def test_the_doctor_finds_heavy_and_broken_plugins(restore: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = place.parent / "site"
    install(site, "restore-heavy", "import torch\n@hookimpl\ndef restore_tasks(): return [named('sink')]")
    install(site, "restore-ill", "1 / 0")
    plugins.load.cache_clear()
    monkeypatch.setenv(plugins.SELECTION, "restore-heavy,restore-ill")
    paths = os.pathsep.join([str(site), str(Path(plugins.__file__).parents[2])])
    monkeypatch.setenv("PYTHONPATH", paths)
    ran = restore("plugins", "--doctor")
    assert ran.code == 1
    assert "warning: plugin restore-heavy of restore-heavy: imports torch when loaded; import it inside methods" in ran.err
    assert "warning: plugin restore-ill of restore-ill: ZeroDivisionError: division by zero" in ran.err


def test_schema_is_json(restore: Command) -> None:
    schema = json.loads(restore("schema", "soften").out)
    assert schema["properties"]["mood"]["enum"][0] == "good"


def test_models_are_listed(restore: Command) -> None:
    assert restore("models", "list").out.splitlines()[1].startswith("photo ")
    assert restore("models").out == restore("models", "list").out
    assert json.loads(restore("models", "list", "--json").out)[0]["name"] == "photo"


def test_no_task_can_take_the_name_of_a_command_or_a_flag() -> None:
    from restore.api.restorer import Restorer

    assert set(root.commands) | {"help"} == COMMANDS
    assert {flag.name for flag in common()} <= RESERVED
    assert set(inspect.signature(Restorer.stream).parameters) - {"self", "keywords"} <= RESERVED


def test_every_option_of_a_run_is_a_flag_but_those_that_are_hidden() -> None:
    hidden = {item.name for item in fields(RunOptions) if item.metadata.get("hidden")}
    assert {flag.name for flag in common()} == {item.name for item in fields(RunOptions)} - hidden
    assert hidden == {"name"}
