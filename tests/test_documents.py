"""Documents: every link, path, flag and program that they name exists, and examples run."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest
import torch
from photographs import Shrinking, crop

from benchmarks.__main__ import programs
from restore import Problem, solve
from restore.cli.root import root
from restore.operators import Identity
from restore.plugins.manager import load
from restore.testing import check_prior

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(page for room in ("docs", "restore", "samples") for page in (ROOT / room).rglob("*.md")),
]
# Their commands are history: they name flags that are gone, and say so.
HISTORY = [ROOT / "restore" / "priors" / "photo" / "README.md"]
REPORTS = sorted((ROOT / "docs" / "reports").glob("*.md"))


def flags() -> set[str]:
    """Of all commands, those of training, which are read when it runs, included."""
    from restore.training.command import train

    found: set[str] = {"--help", "--version"}
    waiting: list[click.Command] = [root, train]
    while waiting:
        command = waiting.pop()
        found |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        if isinstance(command, click.Group):
            context = click.Context(command)
            waiting += [one for name in command.list_commands(context) if (one := command.get_command(context, name))]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_programs_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    paths = re.findall(r"`((?:restore|plugins|tests|benchmarks|docs|samples)/[\w./-]+)`", text)
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
    assert set(re.findall(r"python -m benchmarks ([a-z][\w-]*)", text)) <= set(programs())


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in HISTORY], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_flags_of_the_command_exist(page: Path) -> None:
    text = page.read_text()
    commands = re.findall(r"`(restore [^`\n]+)`", text) + re.findall(r"^(restore .+)$", text, re.MULTILINE)
    named = {flag for command in commands for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", command.partition(" #")[0])}
    assert named <= flags()


def test_the_design_has_a_place_for_every_room() -> None:
    rows = "".join(re.findall(r"^\| `.*", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE))
    top = [path for path in (ROOT / "restore").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = {path.name if path.suffix else f"{path.name}/" for path in top if not path.name.startswith("_")}
    assert {name for name in names if f"`{name}`" not in rows} == set()


@pytest.mark.parametrize("page", REPORTS, ids=lambda page: page.stem)
def test_a_report_begins_with_three_findings(page: Path) -> None:
    beginning = page.read_text().split("```")[0].split("\n## ")[0]
    assert re.findall(r"^(\d)\. \*\*", beginning, re.MULTILINE) == ["1", "2", "3"]


def test_the_guidance_of_the_document_restores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, plugin = _examples()[:2]
    (tmp_path / "my_methods.py").write_text(method)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(plugin, "plugin", "exec"), names)
    factory = names["restore_guidances"]()["mine"]
    problem = Problem(torch.zeros(1, 3, 8, 8), Identity(), 0.1, (1, 3, 8, 8))
    *_, last = solve(problem, Shrinking(), factory(weight=0.5), steps=3)
    assert last.result is not None
    assert last.result.x.shape == (1, 3, 8, 8)


def test_the_operator_of_extending_passes_its_laws_and_is_undone_without_a_task():
    names: dict[str, Any] = {}
    exec(compile(next(text for text in _examples() if "(Spectral)" in text), "operator", "exec"), names)
    flat = torch.full((1, 3, 64, 64), 0.5)
    *_, last = solve(Problem(names["shading"](flat), names["shading"], 0.0, (1, 3, 64, 64)), Shrinking(), "ddnm", steps=3)
    torch.testing.assert_close(last.result.x, flat, atol=1e-5, rtol=0)


def _examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "extending.md").read_text(), re.M | re.S)


OWN = ("Denoising", "DenoisingSamples", "Whitening", "Exemplars", "TwoScales")  # Of no paper.


def test_every_method_is_described_with_equation_and_source() -> None:
    page = (ROOT / "docs" / "methods.md").read_text()
    shown = re.findall(r"^::: (restore\.guidance\.[\w.]+)$", page, re.MULTILINE)
    kinds = {kind: import_module(path.rpartition(".")[0]).__dict__[kind] for path in shown for kind in path.split(".")[-1:]}
    named = {type(found.object()).__name__ for found in load().guidances.values()}
    assert named | {"SDEdit", *OWN} <= set(kinds)
    for name, kind in kinds.items():
        text = inspect.getdoc(kind) or ""
        assert re.search(r"=|<-|~", text), f"{name} has no equation"
        assert 3 <= len(text.splitlines()) <= 70, name
        assert name in OWN or re.search(r"\b(19|20)\d\d\b", inspect.getmodule(kind).__doc__ or ""), f"{name} has no source"


def test_the_python_of_the_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture, mask = crop("chelsea", 100, 140, 32), np.zeros((32, 32), np.uint8)
    mask[10:13] = 255
    for name in ("img.png", "a.png", "b.png"):
        cv2.imwrite(name, picture[..., ::-1])
    seen: list[Any] = []
    names: dict[str, Any] = {
        "image": picture,
        "mask": mask,
        "pictures": [picture, picture[:0]],
        "paths": ["a.png", "b.png"],
        "batch": torch.rand(1, 3, 16, 16),
        "show": lambda *given: seen.append(given),
        "stopped": lambda: len(seen) > 1,
        "keep": seen.append,
    }
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.M | re.S)
    assert len(blocks) > 8
    for block in blocks:
        if "fastapi" in block and find_spec("fastapi") is None:
            compile(block, "python.md", "exec")  # Not among the tests' packages.
            continue
        exec(compile(block, "python.md", "exec"), names)
    assert names["filled"].shape == names["clean"].shape == picture.shape
    assert names["larger"].shape == (64, 64, 3)
    assert len(seen) == 3  # Two previews, then one picture of two.
    assert names["gray"].mode == "L"
    assert names["deep"].dtype == np.uint16
    assert names["own"].shape == picture.shape
    check_prior(names["Smooth"]())
    assert names["features"].shape == (1, 8, 14, 14)
    assert names["first"].shape == (2, 3, 32, 32)
    assert names["event"].result.x.shape == (1, 3, 64, 64)
