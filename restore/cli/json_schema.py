"""The JSON schema of the keywords of a task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.options.checked import SCHEMA_TYPES, Option, describe
from restore.options.run_options import RunOptions

if TYPE_CHECKING:
    from restore.task import Task


def json_schema(task: Task) -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of the keywords of a call: the task's own, then those of scope "call"."""
    own = describe(task.Options)
    common = [option for option in describe(RunOptions) if option.metadata["scope"] == "call"]
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": task.name,
        "description": task.help,
        "type": "object",
        "properties": {option.name: _property(option) for option in [*own, *common]},
        "additionalProperties": False,
    }
    required = [option.name for option in own if option.required]
    return {**schema, "required": required} if required else schema


def _property(option: Option) -> dict[str, Any]:
    kind = "string" if option.picture else SCHEMA_TYPES[option.kind]
    found: dict[str, Any] = {"type": [kind, "null"] if option.nullable else kind}
    if option.help:
        found["description"] = option.help
    if option.picture or option.kind is Path:
        found["format"] = "path"
    if option.choices:
        found["enum"] = [*option.choices, None] if option.nullable else list(option.choices)
    if option.minimum is not None:
        found["minimum"] = option.minimum
    if option.above is not None:
        found["exclusiveMinimum"] = option.above
    if option.maximum is not None:
        found["maximum"] = option.maximum
    if option.named:
        found = {"anyOf": [found, {"enum": list(option.named)}], **({"description": option.help} if option.help else {})}
        found["anyOf"][0].pop("description", None)
    if option.several:
        found = {"anyOf": [found, {"type": "array", "items": {"type": "string", "format": "path"}}]}
    found["default"] = str(option.default) if isinstance(option.default, Path) else option.default
    return found
