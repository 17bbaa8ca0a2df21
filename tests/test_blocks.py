"""Every block of code in the documents is run by a test: Python here or in the test of its page, commands in a folder with what
they name. Those on models of others, which are not there, are parsed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest
import torch
from photographs import crop

from restore.cli import main
from restore.cli.root import root
from restore.cli.task import command as command_of
from restore.plugins.manager import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SAMPLES = sorted((ROOT / "samples").glob("*/README.md"))
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Pages whose Python is run as a whole by the test that is named.
ELSEWHERE = {
    "README.md": ("test_readme.py", "test_python_works"),
    "docs/python.md": ("test_documents.py", "test_the_python_of_the_document_runs"),
    "docs/tutorial.md": ("test_tutorial.py", "test_its_commands_and_tests_work"),
}
# Words that stand for what a reader has, and what stands for them here.
SIDE = 64
STANDING = {
    "NAME": "photo",
    "folder-of-pictures": "pictures",
    "other-pictures": "pictures",
    "--minutes 60": "--steps 1 --size 16 --batch 2 --network whole-small",
    "-n 64": "-n 1 --steps 2 --size 16",
    "--minutes 9": "--steps 2 --width 32",
    "--minutes 12": "--steps 2",
    "--plot bound.png": "--plot bound.png --every 50",
    "--adapt 2min": "",  # Pictures of a test are too small to learn from.
    "--adapt 200": "",
}
MADE_UP = ("rows", "soften")  # Tasks of the tutorial, and of a test.
REMOTE = ("stabilityai/", "stable-diffusion-v1-5/", "facebook/", "owner/model", "adm:", "average first")


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in BLOCK.findall(page.read_text()) if language.partition(" ")[0] in languages]


def commands(page: Path) -> list[str]:
    """Lines of blocks that call the command, and what stands in the text."""
    lines = [line.split("  #")[0].split(" #")[0] for text in blocks(page, "", "console") for line in text.splitlines()]
    typed = [line.removeprefix("$ ").strip() for line in lines]
    return [line for line in typed if line.startswith("restore ")]


def inline(page: Path) -> list[str]:
    found = re.findall(r"`(restore [^`\n]+)`", page.read_text())
    return [line.replace("\\|", "|") for line in found if not re.search(r"\b[A-Z]+\b(?!\.)|[|]best|\.\.\.", line)]


def parse(line: str) -> None:
    """Raises click's errors for a word, flag or value that the command does not take."""
    first, *words = shlex.split(line)[1:]
    with click.Context(root, info_name="restore") as context:
        found = root.get_command(context, first)
        if found is None:
            task = {task.name: task for task in sample_tasks()}[first]
            found = command_of(task)
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        first, *words = words
        found = found.commands[first]
    if first == "train":  # Its words are read when it runs.
        from restore.training.command import train as found  # type: ignore[assignment]
    found.make_context(first, list(words))


def sample_tasks() -> list[Any]:
    from importlib import import_module

    for page in SAMPLES:
        if str(page.parent) not in sys.path:
            sys.path.append(str(page.parent))
    return [task for page in SAMPLES for task in import_module(page.parent.name.replace("-", "_")).restore_tasks()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that documents speak of."""
    monkeypatch.chdir(tmp_path)
    picture = crop("chelsea", 100, 140, SIDE)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[14:17, 5:28] = 255
    strokes = np.dstack([picture[..., ::-1], mask])
    for name, pixels in (("m", mask), ("mask", mask), ("strokes", strokes)):
        cv2.imwrite(f"{name}.png", pixels)
    soft = cv2.GaussianBlur(picture, (0, 0), 2)
    for name in ("img.png", "img.jpg", "old.png", "other.png", "photo.png"):
        cv2.imwrite(name, soft[..., ::-1] if name == "img.png" else picture[..., ::-1])
    rng = np.random.default_rng(0)
    np.savez("digits.npz", images=rng.integers(0, 256, (20, 28, 28), np.uint8), labels=np.arange(20) % 10)
    cv2.imwrite("digit.png", rng.integers(0, 256, (28, 28), np.uint8))
    cv2.imwrite("half.png", np.repeat(np.array([[0, 255]], np.uint8), 14, axis=1).repeat(28, axis=0))
    Path("pictures").mkdir()
    for index in range(2):
        cv2.imwrite(f"pictures/{index}.png", picture[..., ::-1])
    return tmp_path


def test_python_is_run_by_a_test() -> None:
    for page, (module, name) in ELSEWHERE.items():
        assert blocks(ROOT / page, "python")
        assert f"def {name}(" in (ROOT / "tests" / module).read_text()
    for module, name in RUN.values():
        assert f"def {name}(" in (ROOT / "tests" / module).read_text()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_of_pages_runs(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.relative_to(ROOT).as_posix() in ELSEWHERE:
        return
    monkeypatch.syspath_prepend(place)
    names: dict[str, Any] = {}
    for block in blocks(page, "python"):
        for module in re.findall(r"^(?: *)from (my_\w+) import", block, re.MULTILINE):
            if not Path(f"{module}.py").exists():
                Path(f"{module}.py").write_text(blocks(page, "python")[0])
        exec(compile(block, page.name, "exec", dont_inherit=True), names)


def test_python_of_samples_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    sample_tasks()
    for page in SAMPLES:
        names: dict[str, Any] = {"pictures": torch.rand(1, 3, 16, 16), "sigma": 0.2, "noise": torch.randn(1, 3, 16, 16)}
        names["place"] = "network.up_blocks.0.1"
        for block in blocks(page, "python"):
            exec(compile(block, str(page), "exec", dont_inherit=True), names)


LONG = ("index.md", "latent.md")  # The first has much of README; the second trains.
# Commands on img.png that the test which is named runs.
RUN = {"README.md": ("test_readme.py", "test_the_commands_work")}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.name in LONG)) for page in PAGES if commands(page)],
    ids=lambda page: page.name,
)
def test_commands_of_pages_run(page: Path, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if page.name == "tutorial.md":
        return  # Typed as a whole by its own test.
    for line in commands(page):
        for word, stands in STANDING.items():
            line = line.replace(word, stands)
        parse(line)
        if any(word in line for word in REMOTE) or (page.name in RUN and "img.png" in line and "my-prior" not in line):
            continue
        words = shlex.split(line)[1:]
        assert main(words) == 0, (line, capfd.readouterr().err)


@pytest.mark.parametrize("page", [*PAGES, *SAMPLES], ids=lambda page: f"{page.parent.name}/{page.name}")
def test_commands_in_the_text_are_known(page: Path) -> None:
    indented = re.findall(r"^    (restore .+)$", page.read_text().replace("\\\n", " "), re.MULTILINE) if page in SAMPLES else []
    for line in [*inline(page), *(line.split(" #")[0] for line in indented)]:
        if line.split()[1] not in ("--help", *MADE_UP):
            with suppress(click.MissingParameter, click.BadOptionUsage):  # One that is only named, or its flag.
                parse(line)


def test_other_blocks_are_known() -> None:
    """What is neither Python nor this command: installing, make, pytest, files of a plugin, a drawing."""
    for page in PAGES:
        for text in blocks(page, "", "console"):
            for line in text.splitlines():
                if line.startswith("make "):
                    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
                elif line.startswith("python -m pytest"):
                    paths = [word for word in line.split() if word.startswith("tests/")]
                    assert all((ROOT / path).exists() for path in paths), line
                elif line.startswith("python -m benchmarks"):
                    done = subprocess.run([sys.executable, *line.split()[1:4], "--help"], cwd=ROOT, capture_output=True)
                    assert done.returncode == 0, line
                else:
                    known = r"restore |\$ |git clone|pip install|\.venv/bin/pip|cd |[ |+]|words of a|\d+ passed|[\w.]+\.png$|$"
                    assert re.match(known, line), (page.name, line)


def test_the_toolkit_has_no_sample_installed() -> None:
    """Their commands are parsed by their own tasks here."""
    assert not {task.name for task in sample_tasks()} & set(load().tasks)
