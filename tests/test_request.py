"""What a call asks for: another prior by name for a task, its place in the record, and what a task finds in its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from photographs import Shrinking, cheap

from restore import Prior, Problem, Restorer, Task, UsageError, hookimpl
from restore.operators import Identity
from restore.options.checked import describe
from restore.testing import check_task

pytest_plugins = ["restore.testing.fixtures"]
PICTURE = np.full((8, 8, 3), 100, np.uint8)
LOADED: list[tuple[str, Any]] = []


@dataclass(frozen=True)
class Options:
    source: Any = field(default=None, metadata={"prior": True, "help": "another prior"})


class Two(Task):
    name, help, Options = "two", "Uses two priors.", Options
    seen: Any = None

    def problem(self, picture: Any, options: Any) -> Problem:
        Two.seen = options.source
        return Problem(picture.pixels, Identity(), 0.1, tuple(picture.pixels.shape))

    def found(self, problem: Problem, options: Any, result: Any) -> dict[str, Any]:
        return {"brightest": float(result.x.max()), "answer": result.answer}


class Known:
    @staticmethod
    @hookimpl
    def restore_priors() -> dict[str, Any]:
        return {"other": loaded}

    @staticmethod
    @hookimpl
    def restore_tasks() -> list[Task]:
        return [Two()]


def loaded(name: str, dtype: Any, local_files_only: bool) -> Prior:
    LOADED.append((name, dtype))
    return Shrinking()


@pytest.fixture
def known(plugin_manager: Any) -> None:
    LOADED.clear()
    plugin_manager(Known)


def test_a_task_gets_the_prior_that_is_named(known: None) -> None:
    restorer = cheap()
    results = [restorer("two", PICTURE, source="other:a", steps=1) for _ in range(2)]
    assert isinstance(Two.seen, Shrinking)
    assert [("a", torch.float32)] == LOADED  # Once a restorer, in its dtype.
    record = results[0].record
    assert record["options"] == {"source": "other:a"}
    assert set(record["prior_hashes"]) == {"source"}
    assert "prior_hashes" not in restorer("two", PICTURE, steps=1).record
    assert Two.seen is None


def test_a_prior_itself_is_taken(known: None) -> None:
    own = Shrinking()
    cheap()("two", PICTURE, source=own, steps=1)
    assert Two.seen is own
    assert not LOADED
    check_task(Two(), source=own)


@pytest.mark.parametrize(("source", "said"), [(5, "source: 5"), (PICTURE, "source: "), ("nowhere:b", "nowhere")])
def test_what_is_no_prior(known: None, source: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        cheap()("two", PICTURE, source=source)


def test_the_option_is_a_text_on_the_command_line() -> None:
    (option,) = describe(Options)
    assert option.prior
    assert option.parse("other:a") == "other:a"


def test_a_task_sees_its_result(known: None) -> None:
    result = cheap()("two", PICTURE, steps=1)
    assert result.record["found"] == {"brightest": float(result.x.max()), "answer": result.answer}


def test_a_request_is_checked_without_a_run(known: None) -> None:
    asked = Restorer(Shrinking()).request("two", {"seed": 3, "source": "other:a"})
    assert (asked.task.name, asked.options.seed, asked.asked) == ("two", 3, {"source": "other:a"})
    assert isinstance(asked.own.source, Shrinking)
    with pytest.raises(UsageError, match="sauce"):
        Restorer(Shrinking()).request("two", {"sauce": 1})
