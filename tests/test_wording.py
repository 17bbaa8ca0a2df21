"""Messages name options as the caller knows them: keywords in Python, flags on the command line."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from photographs import cheap, crop
from PIL import Image

from restore import Problem, RestoreError, Restorer, solve
from restore.cli import main
from restore.operators import Operator
from restore.priors.latent.conditions import Conditions
from restore.priors.loaders.pipelines.labels import Labels
from restore.solving.generate import sample
from restore.wording import called, for_commands, told

ROOT = Path(__file__).parent.parent
FLAG = re.compile(r"(?<![\w-])--([a-z]|$)")  # With the second, one that is put together.
# Of modules that declare or write commands; `told` has words for each caller.
COMMANDS = [
    *(ROOT / "restore" / room for room in ("cli", "plugins/scaffold", "wording.py", "options/checked.py", "training/card.py")),
]


def texts(tree: ast.AST) -> Iterator[str]:
    """Texts in a module that may become a message: not docstrings, help, or what is for commands alone."""
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.keyword) and child.arg in ("help", "command"):
            continue
        if isinstance(tree, ast.Dict):
            child_of = dict(zip(map(id, tree.values), tree.keys, strict=True))
            key = child_of.get(id(child))
            if isinstance(key, ast.Constant) and key.value == "help":
                continue
        if isinstance(tree, ast.Assign) and any(isinstance(name, ast.Name) and name.id == "help" for name in tree.targets):
            continue
        yield from texts(child)


def test_no_message_names_a_flag_by_itself() -> None:
    modules = [path for room in ("restore", "plugins", "samples") for path in sorted((ROOT / room).rglob("*.py"))]
    found = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in modules
        if not any(path.is_relative_to(room) for room in COMMANDS)
        for text in texts(ast.parse(path.read_text()))
        if FLAG.search(text) and not re.fullmatch(r"--[a-z/-]+", text)  # That is the declaration of a flag.
    }
    assert found == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise Error(f"{x}: give --sigma")', True),
        ('logger.info("--sigma %s", x)', True),
        ('"""Docs: --sigma."""', False),
        ('field(metadata={"help": "in place of --sigma"})', False),
        ('told(command="--page", python="page")', False),
    ],
)
def test_flags_in_messages_are_seen(code: str, found: bool) -> None:
    assert any(FLAG.search(text) for text in texts(ast.parse(code))) == found


def test_what_an_option_is_called() -> None:
    def both(of: Callable[[], str]) -> tuple[str, str]:
        with for_commands():
            command = of()
        return of(), command

    assert both(lambda: called("mask_grow")) == ("mask_grow", "--mask-grow")
    assert both(lambda: called("mask_grow", 0)) == ("mask_grow=0", "--mask-grow 0")
    assert both(lambda: called("fill", "smooth")) == ("fill='smooth'", "--fill smooth")
    assert both(lambda: called("blur", True)) == ("blur=True", "--blur")
    assert both(lambda: called("fill_scale", False)) == ("fill_scale=False", "--no-fill-scale")
    assert both(lambda: called("label", such_as="N")) == ("label=N", "--label N")
    assert both(lambda: told(command="a", python="b")) == ("b", "a")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures and masks of each kind."""
    monkeypatch.chdir(tmp_path)
    picture = crop("coffee", 100, 150, 32)
    rows = np.arange(32)[:, None]
    drawn = np.zeros((128, 128), np.uint8)
    for row in range(20, 128, 20):
        cv2.putText(drawn, "restored", (2, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2, cv2.LINE_AA)
    share = drawn[..., None] / 255
    mask = np.zeros((32, 32), np.uint8)
    mask[10:13] = 255
    made = {
        "img": picture[..., ::-1],
        "flat": np.full((32, 32), 90, np.uint8),
        "large": crop("coffee", 100, 150, 96)[..., ::-1],
        "mask": mask,
        "black": np.zeros_like(mask),
        "white": np.full_like(mask, 255),
        "most": np.full_like(mask, 255) * (rows > 0).astype(np.uint8),
        "small": mask[:16, :16],
        "dark": np.broadcast_to(rows % 5, (32, 32)).astype(np.uint8),
        "hard": np.where(drawn >= 128, 255, 0),
        "wide": cv2.copyMakeBorder(np.full((40, 40), 255, np.uint8), 28, 28, 28, 28, cv2.BORDER_CONSTANT),
        "checked": np.broadcast_to(255 * ((rows + rows.T) % 2), (32, 32)).astype(np.uint8),
    }
    for name, pixels in made.items():
        cv2.imwrite(f"{name}.png", pixels)
    cv2.imwrite("img.jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])
    cv2.imwrite("written.png", crop("chelsea", 0, 0, 128)[..., ::-1] * (1 - share) + 255 * share)
    scratched = cv2.imread("large.png")
    scratched[47:49] = 255
    cv2.imwrite("scratch.png", scratched)
    Image.fromarray(picture).save("moving.gif", save_all=True, append_images=[Image.fromarray(255 - picture)])
    np.save("kernel.npy", np.ones((3, 3)))
    return tmp_path


# The command's words behind `restore`, what a message says to who typed them, and to a caller in Python.
SAID = [
    ("inpaint img.png", "--mask FILE", "mask=FILE"),
    ("inpaint img.png", "--mask-from alpha", "mask_from='alpha'"),
    ("inpaint img.png --mask black.png", "--invert-mask fills black", "invert_mask=True fills black"),
    ("inpaint img.png --mask white.png --invert-mask", "with --invert-mask", "with invert_mask=True"),
    ("inpaint img.png --mask most.png", "--invert-mask fills the rest", "invert_mask=True fills the rest"),
    ("inpaint img.png --mask small.png", "(--resize-mask)", "(resize_mask=True)"),
    ("inpaint img.png --mask dark.png", "--mask-label N", "mask_label=N"),
    ("inpaint img.png --mask img.png --mask-label 3", "leave --mask-label out", "leave mask_label out"),
    ("inpaint img.png --mask auto --invert-mask", "--mask auto is", "mask='auto' is"),
    ("inpaint flat.png --mask auto", "--write-mask shows", "result.mask is"),
    ("inpaint flat.png --mask auto", "give --mask FILE", "give mask=FILE"),
    ("inpaint img.png --mask mask.png --like img.png --fill smooth", "--like lends", "like lends"),
    ("inpaint img.png --mask mask.png --sigma 5 --fill texture", "--fill texture takes", "fill='texture' takes"),
    ("inpaint large.png --mask wide.png", "--fill smooth takes none", "fill='smooth' takes none"),
    ("inpaint written.png --mask hard.png", "--mask-grow 0 keeps it", "mask_grow=0 keeps it"),
    ("denoise img.jpg", "--sigma N takes", "sigma=N takes"),
    ("jpeg flat.png", "--assumed-quality N says", "assumed_quality=N says"),
    ("jpeg img.png --grid 99,1", "--grid takes", "grid takes"),
    ("jpeg img.jpg --grid 1,1", "--grid is for", "grid is for"),
    ("colorize flat.png", "--hints, or use --guidance ddnm", "hints, or use guidance='ddnm'"),
    ("super-resolution img.png --reduced-by soap", "--reduced-by: ", "reduced_by: "),
    ("super-resolution img.png --size 9x --scale 2", "--scale and --size both", "scale and size both"),
    ("super-resolution img.png --size x", "--size takes", "size takes"),
    ("super-resolution img.png --scale 99", "'--scale'", "scale: "),
    ("deblur img.png --kernel gaussian:x", "--kernel takes", "kernel takes"),
    ("deblur img.png --kernel gaussian:500", "--kernel gaussian:500: ", "kernel='gaussian:500': "),
    ("deblur img.png --kernel gaussian:-1", "--kernel gaussian:-1: ", "kernel='gaussian:-1': "),
    ("deblur img.png --kernel missing", "--kernel: ", "kernel: "),
    ("deblur img.png --kernel img.png", "--kernel takes a gray", "kernel takes a gray"),
    ("deblur checked.png", "by --kernel", "by kernel"),
    ("deblur img.png --kernel kernel.npy --write-kernel a.txt", "--write-kernel takes", "write_kernel takes"),
    ("deblur img.png --kernel kernel.npy --write-kernel kernel.npy", "--write-kernel: ", "write_kernel: "),
    ("auto img.png --colorize img.png", "leave --colorize out", "leave colorize out"),
    ("auto scratch.png", "--strip DIR", "restore.diagnose"),
    ("auto scratch.png", "--scratches fills", "scratches=True fills"),
    ("denoise moving.gif", "--page, from 1 to 2, or --frames all", "restore.images.read(path, page=N)"),
    ("denoise img.png --max-pixels 10", "--max-pixels allows", "max_pixels allows"),
    ("denoise img.png --steps 0", "'--steps'", "steps: "),
    ("denoise img.png --quality good", "'--quality'", "quality: "),
]


def in_python(command: str, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that is said to one who makes the same call in Python."""
    task, image, *words = command.split()
    given: dict[str, Any] = {}
    for place, word in enumerate(words):
        if word.startswith("--"):
            given[word[2:].replace("-", "_")] = True
            if place + 1 < len(words) and not words[place + 1].startswith("--"):
                value = words[place + 1]
                number = re.fullmatch(r"\d+", value)
                given[word[2:].replace("-", "_")] = int(value) if number else value
    bound = {name: given.pop(name) for name in ("max_pixels",) if name in given}
    caplog.clear()
    try:
        Restorer(cheap().prior, **bound)(task, image, **given)
        raised = ""
    except RestoreError as error:
        raised = str(error)
    return "\n".join([raised, *(record.getMessage() for record in caplog.records)])


@pytest.mark.parametrize(("command", "flag", "keyword"), SAID, ids=[f"{one[0]}: {one[1]}" for one in SAID])
def test_the_caller_knows_the_word(
    command: str,
    flag: str,
    keyword: str,
    files: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with caplog.at_level(logging.INFO, "restore"):
        found = in_python(command, caplog)
    assert keyword in found
    assert not FLAG.search(found)
    monkeypatch.setattr(Restorer, "from_pretrained", lambda name, **bound: Restorer(cheap().prior, **bound))
    main([*command.split(), "-o", "out.png"])
    assert flag in capfd.readouterr().err


class Crooked(Operator):
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs()

    pinv = __call__


def no_default() -> None:
    list(solve(Problem(torch.zeros(1, 3, 8, 8), Crooked(), 0.1, (1, 3, 8, 8)), cheap().prior))


def no_use() -> None:
    Conditions(prompt="a cat").only("label")


def no_class() -> None:
    Labels(3).condition(Conditions(), None, torch.device("cpu"))


def no_such_class() -> None:
    Labels(3).condition(Conditions(label="7"), None, torch.device("cpu"))


def no_room() -> None:
    class Full(type(cheap().prior)):  # type: ignore[misc]
        def denoise(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            raise MemoryError

    sample(Full(), 1, (8, 8))


@pytest.mark.parametrize(
    ("call", "keyword", "flag"),
    [
        (no_default, "guidance='dps'", "--guidance dps"),
        (no_use, "prompt: this prior has no use for it; it takes label", "--prompt: "),
        (no_class, "label, 0 to 2", "--label, 0 to 2"),
        (no_such_class, "label='7'", "--label 7"),
        (no_room, "smaller batch", "smaller --batch"),
    ],
)
def test_what_other_calls_say(call: Callable[[], None], keyword: str, flag: str) -> None:
    with pytest.raises(RestoreError) as caught:
        call()
    assert keyword in str(caught.value)
    assert not FLAG.search(str(caught.value))
    with for_commands(), pytest.raises(RestoreError) as caught:
        call()
    assert flag in str(caught.value)
