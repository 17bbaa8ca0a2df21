"""The command `restore`, with a subcommand for each task of the plugins and a few others."""

from __future__ import annotations

from pathlib import Path

import click

from restore.cli import diagnose, evaluate, info, models, ops, rerun, sample, train
from restore.cli.task import command
from restore.errors import UsageError, suggest
from restore.plugins import manager as plugins
from restore.plugins.selection import BUILT_IN

COMPLETION = 'Shell completion: eval "$(_RESTORE_COMPLETE=bash_source restore)" (or zsh_source, fish_source).'


class Root(click.Group):
    """Subcommands are the commands registered here and one for each task of a plugin."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = plugins.load()
        return sorted([*self.commands, *found.tasks, *found.commands])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        found = plugins.load()
        if cmd_name in found.commands:
            return found.commands[cmd_name].object
        return command(found.tasks[cmd_name].object) if cmd_name in found.tasks else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        if name in plugins.INSTALLING or ("task", name) in plugins.load().clashes:
            plugins.load().task(name)  # Raises: how to install it, or which plugins clash.
        if ("command", name) in plugins.load().clashes:
            plugins.load().command(name)
        if Path(name).exists():
            raise UsageError(f"{name!r} is no task but a file or folder; write restore TASK {name}")
        raise UsageError(f"unknown task {name!r}; {suggest(name, self.list_commands(ctx))}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        loaded = plugins.load()
        tasks = [(name, found.object.help) for name, found in loaded.tasks.items()]
        others = {**self.commands, **{name: found.object for name, found in loaded.commands.items()}}
        for title, rows in (
            ("Tasks", tasks),
            ("Commands", [(name, others[name].help) for name in sorted(others)]),
        ):
            if rows:
                with formatter.section(title):
                    formatter.write_dl([(name, (text or "").partition("\n")[0]) for name, text in rows])


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"restore {version(BUILT_IN)}")
        ctx.exit()


@click.group(
    cls=Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=COMPLETION,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
@click.pass_context
def root(ctx: click.Context) -> int | None:
    """Restore pictures with diffusion models: restore TASK IN... [-o OUT]"""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return UsageError.exit_code
    return None


for found in (
    info.plugins_command,
    info.schema_command,
    diagnose.diagnose_command,
    evaluate.evaluate_command,
    models.models_command,
    ops.ops_command,
    rerun.rerun_command,
    sample.sample_command,
    train.train_command,
):
    root.add_command(found)
