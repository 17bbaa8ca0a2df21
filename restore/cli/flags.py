"""Command-line flags from an options dataclass: a task's own, or `RunOptions`."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from restore.errors import UsageError
from restore.options.checked import Option, describe


class Value(click.ParamType):
    """A click type that parses and checks values by an `Option`."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = "file" if option.picture else "prior" if option.prior else option.kind.__name__

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # click < 8.2 passes no context.
        if self.option.choices:
            return "|".join(map(str, self.option.choices))
        return "|".join([*self.option.named, {"str": "TEXT", "int": "N", "float": "X"}.get(self.name, self.name.upper())])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.option.parse(value)
        except UsageError as error:
            _, _, said = str(error).partition(": ")
            self.fail(said, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self.name in ("file", "Path"):
            return [CompletionItem(incomplete, type="file")]
        return [
            CompletionItem(str(choice))
            for choice in (*self.option.choices, *self.option.named)
            if str(choice).startswith(incomplete)
        ]


def click_options(kind: type, *only: str, **known: str) -> list[click.Option]:
    """The fields of an options dataclass as flags: `mask_grow` is `--mask-grow`, a bool that is False by default is a switch.

    Args:
        only: names of the fields to use; all but hidden ones if none is named.
        known: texts to insert in help lines for names in braces.
    """
    options = [option for option in describe(kind) if not option.metadata.get("hidden")]
    return [_flag(option, known) for option in options if not only or option.name in only]


def _flag(option: Option, known: dict[str, str]) -> click.Option:
    flag, range = option.flag, option.range
    names = [flag, option.name]
    if short := option.metadata.get("short"):
        names.insert(0, short)
    help = option.help.format(**known) if known else option.help
    if option.metadata.get("count"):
        return click.Option(names, count=True, default=option.default, help=help)
    if option.kind is bool:
        plain = option.default is False and not option.nullable
        if not plain:
            names[-2] = f"{flag}/--no-{flag[2:]}"
        return click.Option(names, is_flag=True, default=option.default, help=help)
    notes = [f"default {option.default}"] if option.default is not None and not option.several else []
    notes = [range, *notes] if range and not option.metadata.get("metavar") else notes
    notes = ["required"] if option.required else notes
    # click takes a default of None as a value, so a required option must have no default at all.
    default = {"required": True} if option.required else {"default": option.default}
    return click.Option(
        names,
        type=Value(option),
        metavar=option.metadata.get("metavar"),
        multiple=option.several,
        **default,
        help=help + (f"  [{'; '.join(notes)}]" if notes else ""),
    )
