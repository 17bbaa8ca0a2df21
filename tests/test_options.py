"""Options: one dataclass, seen as flags, as a schema and as keywords."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

import click
import numpy as np
import pytest

from restore.cli.flags import click_options
from restore.cli.json_schema import json_schema
from restore.errors import UsageError
from restore.options import checked as options
from restore.options.run_options import RunOptions, of_scope
from restore.task import Task


@dataclass(frozen=True)
class Everything:
    mask: Any = field(default=None, metadata={"picture": True, "help": "white is filled"})
    mask_grow: int = field(default=0, metadata={"min": 0, "help": "grow by N pixels"})
    invert_mask: bool = False
    smooth: bool = True
    sure: Optional[bool] = None  # noqa: UP045 - the form a plugin for Python 3.9 would use.
    sigma: float | None = field(default=None, metadata={"min": 0, "max": 255})
    mode: str = field(default="fast", metadata={"choices": ["fast", "good"]})
    scale: int = field(default=2, metadata={"choices": [2, 4]})
    table: Path | None = None
    folder: Path = Path("here")


@dataclass
class Needy:
    words: str = field(default="", metadata={"required": True, "help": "what to write"})


class Toy(Task):
    name, help, Options = "toy", "a toy", Everything

    def problem(self, picture: Any, options: Any) -> Any:
        raise NotImplementedError


def parse(kind: type, *arguments: str) -> dict[str, Any]:
    command = click.Command("toy", params=list(click_options(kind)), callback=lambda **given: given)
    found: dict[str, Any] = command.main(list(arguments), standalone_mode=False)
    return found


def test_no_flags_are_the_defaults() -> None:
    assert options.build(Everything, **parse(Everything)) == options.build(Everything) == Everything()


def test_flags_are_keywords_with_hyphens() -> None:
    given = (
        "--mask m.png --mask-grow 4 --invert-mask --no-smooth --sure --sigma 2.5 --mode good --scale 4 --table t.csv --folder f"
    )
    built = options.build(Everything, **parse(Everything, *given.split()))
    assert built == Everything(Path("m.png"), 4, True, False, True, 2.5, "good", 4, Path("t.csv"), Path("f"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--mask-grow -1", "Invalid value for '--mask-grow': -1 is out of range; give 0 or more"),
        ("--mask-grow few", "Invalid value for '--mask-grow': 'few' is not a whole number"),
        ("--sigma 256", "Invalid value for '--sigma': 256.0 is out of range; give 0 to 255"),
        ("--sigma nan", "Invalid value for '--sigma': nan (float) is not a number"),
        ("--mode god", "Invalid value for '--mode': 'god' is none of fast, good"),
        ("--scale 3", "Invalid value for '--scale': 3 is none of 2, 4"),
    ],
)
def test_bad_flags(arguments: str, said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse(Everything, *arguments.split())
    assert caught.value.format_message() == said


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"mask_gorw": 3}, "unknown option 'mask_gorw'; did you mean 'mask_grow' or 'mask'?"),
        ({"mask_grow": 2.5}, "mask_grow: 2.5 (float) is not a whole number"),
        ({"mask_grow": True}, "mask_grow: True (bool) is not a whole number"),
        ({"mask_grow": None}, "mask_grow: None (NoneType) is not a whole number"),
        ({"invert_mask": 1}, "invert_mask: 1 (int) is not true or false"),
        ({"sigma": "much"}, "sigma: 'much' (str) is not a number"),
        ({"sigma": math.inf}, "sigma: inf (float) is not a number"),
        ({"sigma": -1}, "sigma: -1.0 is out of range; give 0 to 255"),
        ({"mode": "slow"}, "mode: 'slow' is none of fast, good"),
        ({"table": 7}, "table: 7 (int) is not a path"),
    ],
)
def test_bad_keywords(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.build(Everything, **keywords)
    assert str(caught.value) == said


def test_keywords_take_what_means_the_same() -> None:
    picture = object()
    built = options.build(Everything, mask=picture, mask_grow=np.int64(3), sigma=2, table="t.csv")
    assert built.mask is picture
    assert (built.mask_grow, built.sigma, built.table) == (3, 2.0, Path("t.csv"))
    assert type(built.mask_grow) is int
    assert type(built.sigma) is float


def test_what_is_required_must_be_given() -> None:
    with pytest.raises(UsageError, match="words must be given: what to write"):
        options.build(Needy)
    with pytest.raises(click.MissingParameter, match="words"):
        parse(Needy)
    assert options.build(Needy, **parse(Needy, "--words", "hello")) == Needy("hello")


def test_schema() -> None:
    schema = json_schema(Toy())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["description"], schema["type"]) == ("toy", "a toy", "object")
    assert schema["additionalProperties"] is False
    assert "required" not in schema
    own = {name: found for name, found in schema["properties"].items() if name not in of_scope("call")}
    assert own == {
        "mask": {"type": ["string", "null"], "description": "white is filled", "format": "path", "default": None},
        "mask_grow": {"type": "integer", "description": "grow by N pixels", "minimum": 0, "default": 0},
        "invert_mask": {"type": "boolean", "default": False},
        "smooth": {"type": "boolean", "default": True},
        "sure": {"type": ["boolean", "null"], "default": None},
        "sigma": {"type": ["number", "null"], "minimum": 0, "maximum": 255, "default": None},
        "mode": {"type": "string", "enum": ["fast", "good"], "default": "fast"},
        "scale": {"type": "integer", "enum": [2, 4], "default": 2},
        "table": {"type": ["string", "null"], "format": "path", "default": None},
        "folder": {"type": "string", "format": "path", "default": "here"},
    }


def test_the_schema_has_the_keywords_of_every_call_too() -> None:
    common = {name: found for name, found in json_schema(Toy())["properties"].items() if name in of_scope("call")}
    assert tuple(common) == of_scope("call")
    samples = {"type": "integer", "description": "posterior samples to draw", "minimum": 1, "maximum": 10000, "default": 1}
    assert common["samples"] == samples
    assert common["quality"]["enum"] == ["fast", "balanced", "best"]
    assert common["fidelity"]["type"] == ["number", "null"]


def test_run_options_are_checked_like_a_tasks_own() -> None:
    assert options.build(RunOptions) == RunOptions()
    with pytest.raises(UsageError, match="samples: 0 is out of range; give 1 to 10000"):
        options.build(RunOptions, samples=0)
    with pytest.raises(UsageError, match="quality: 'good' is none of fast, balanced, best"):
        options.build(RunOptions, quality="good")
    with pytest.raises(UsageError, match=r"steps: 1\.5 .* is not a whole number"):
        options.build(RunOptions, steps=1.5)
    method = object()
    assert options.build(RunOptions, guidance=method).guidance is method
    assert options.build(RunOptions, max_memory=10**9).max_memory == 10**9


def test_a_reserved_name_is_the_authors_error() -> None:
    @dataclass
    class Odd:
        seed: int = 0

    with pytest.raises(TypeError, match=r"Options.seed: the toolkit has an option of that name; choose another"):
        options.describe(Odd)


def test_a_literal_names_its_choices_and_above_is_an_open_bound() -> None:
    @dataclass
    class Open:
        mode: Literal["a", "b"] = "a"
        width: float = field(default=1.0, metadata={"above": 0, "max": 2})

    mode, width = options.describe(Open)
    assert (mode.kind, mode.choices, width.range) == (str, ("a", "b"), "above 0, up to 2")
    with pytest.raises(UsageError, match=r"width: 0\.0 is out of range; give above 0, up to 2"):
        options.build(Open, width=0)
    with pytest.raises(UsageError, match="mode: 'c' is none of a, b"):
        options.build(Open, mode="c")


def test_a_required_option_is_required_in_the_schema() -> None:
    class Writer(Toy):
        Options = Needy

    assert json_schema(Writer())["required"] == ["words"]


def test_a_default_that_breaks_its_own_rules_is_the_authors_error() -> None:
    @dataclass
    class Odd:
        size: int = field(default=0, metadata={"min": 1})

    with pytest.raises(TypeError, match=r"Options.size: its default is refused by its own rules: size: 0 is out of range"):
        options.describe(Odd)


def test_types_known_to_the_checker_alone_are_the_authors_error() -> None:
    @dataclass
    class Odd:
        size: "Unknown" = None  # type: ignore[name-defined]  # noqa: F821, UP037

    with pytest.raises(TypeError, match="types cannot be resolved at run time"):
        options.describe(Odd)
