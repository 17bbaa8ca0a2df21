"""Records that do not hold what this version writes: one line, and never another picture in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from toys import TOY, Command

from restore.cli.save import load_record

ODD: dict[str, Any] = {
    "a word": "many",
    "an empty word": "",
    "a line break": "a\nb",
    "null": None,
    "true": True,
    "-1": -1,
    "a half": 0.5,
    "1e300": 1e300,
    "NaN": float("nan"),
    "a list": [1],
    "an object": {"a": 1},
}


@pytest.fixture
def record(place: Path, restore: Command) -> dict[str, Any]:
    assert restore("denoise", "img.png", "--sigma", "5", "-o", "out.png", "--record", *TOY).code == 0
    return load_record(place / "out.png")


def rerun(restore: Command, record: Any) -> Any:
    info = PngInfo()
    info.add_text("restore", record if isinstance(record, str) else json.dumps(record))
    Image.new("RGB", (8, 8)).save("result.png", pnginfo=info)
    return restore("rerun", "result.png", "-o", "again.png", "--overwrite", "--device", "cpu")


def places(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """Every field of a record, and every one inside those that rerun reads."""
    inner = [(name, key) for name in ("options", "request", "input") for key in record[name]]
    return [(name,) for name in record] + inner


@pytest.mark.parametrize("value", ODD.values(), ids=list(ODD))
def test_odd_values_are_one_line_or_harmless(value: Any, restore: Command, record: dict[str, Any]) -> None:
    assert rerun(restore, record).code == 0
    for where in places(record):
        if value == 1e300 and where[-1] in ("steps", "samples", "tile"):
            continue  # Work without end, as the record says.
        spoilt = json.loads(json.dumps(record))
        inside = spoilt
        for name in where[:-1]:
            inside = inside[name]
        inside[where[-1]] = value
        ran = rerun(restore, spoilt)
        case = f"{where}: {ran}"
        assert "bug" not in ran.err, case
        assert "at fault" not in ran.err, case
        assert ran.code in (0, 1, 2, 3), case
        assert len([line for line in ran.err.splitlines() if line.startswith("error: ")]) == (ran.code != 0), case


@pytest.mark.parametrize("text", ["", "null", "[]", "3", '"a"', "{}", "{", "[" * 100_000, '{"a": 1} x', "\x00", "1e999"])
def test_text_that_is_no_record_is_one_line(text: str, restore: Command, place: Path) -> None:
    ran = rerun(restore, text)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "bug" not in ran.err
