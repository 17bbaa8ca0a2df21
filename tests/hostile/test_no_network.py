"""Nothing but a model of the Hub needs a network: with sockets denied the command works, and does not even try one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from toys import OWN, picture, process

from restore.priors.loaders import folder

DENIED = """
import json, socket, sys
tried = []
def denied(*given, **more):
    tried.append(repr(given[-1] if len(given) > 1 else given))
    raise OSError("the network is denied")
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, denied)
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, denied)
"""
COMMAND = """
import restore
from restore.cli import main
code = main(sys.argv[1:])
print()
print(json.dumps([code, tried]))
"""
FAST = ["-o", "out.png", "--steps", "1", "--device", "cpu"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a picture and a model folder, and an empty cache of the Hub."""
    work = tmp_path / "work"
    picture(work / "img.png")
    torch.manual_seed(0)
    folder.save(work / "model", OWN, folder.build(OWN), "")
    return work


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a person's machine: the Hub is not switched off, and nothing of it is there."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def run(work: Path, *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, what was tried of the network, and stderr."""
    out, err = process(work, *arguments, code=DENIED + COMMAND).communicate(timeout=120)
    code, tried = json.loads(out.splitlines()[-1])
    return code, tried, err


@pytest.mark.usefixtures("fetching")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["plugins"],
        pytest.param(["models"], marks=pytest.mark.slow),
        ["diagnose", "img.png"],
        ["denoise", "img.png", "--sigma", "5", *FAST],
        pytest.param(["denoise", "img.png", "--sigma", "5", "--prior", "./model", *FAST], marks=pytest.mark.slow),
        ["denoise", "img.png", "--sigma", "5", "--prior", "model", *FAST],
    ],
    ids=" ".join,
)
def test_no_connection_is_opened(work: Path, arguments: list[str]) -> None:
    code, tried, err = run(work, *arguments)
    assert (code, tried) == (0, []), err
    assert (work / "out.png").is_file() == ("out.png" in arguments)


@pytest.mark.usefixtures("fetching")
def test_a_model_of_the_hub_tries_and_fails_in_one_line(work: Path) -> None:
    code, tried, err = run(work, "denoise", "img.png", "--sigma", "5", "--prior", "owner/model", *FAST)
    assert code == 3
    assert tried != []  # What the tests above deny is what would be used.
    assert [line[:7] for line in err.splitlines()] == ["error: "]
    assert not (work / "out.png").exists()
