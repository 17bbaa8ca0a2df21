"""The site of the documents is built, with warnings as errors, where mkdocs is installed, as `make test` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import restore
from restore.cli.root import root
from restore.plugins.manager import load

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("mkdocs", "material", "mkdocstrings"))), reason="the extra `docs` is not installed"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "RESTORE_PLUGINS": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")]
    missing = [page for page in pages if not (site / page / "index.html").is_file() and page != Path("index")]
    assert missing == []
    assert not (site / "site.py").exists()


def test_the_command_reference_has_every_command(site: Path) -> None:
    text = (site / "command" / "index.html").read_text()
    wanted = {*root.commands, *load().tasks}
    assert {name for name in wanted if f">restore {name}" not in text} == set()


def test_the_api_reference_has_every_public_name(site: Path) -> None:
    named = set(re.findall(r'id="restore\.(\w+)"', (site / "api" / "index.html").read_text()))
    assert set(restore.__all__) - named == set()


def test_the_sources_of_methods_are_shown(site: Path) -> None:
    text = (site / "methods" / "index.html").read_text()
    assert "Wang et al. 2023, 2212.00490" in text
    assert text.count("<p><strong>") >= len(load().guidances)
