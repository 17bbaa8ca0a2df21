"""Hooks of mkdocs: the command reference is made from the command itself, and links out of docs/ lead to the repository."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def on_config(config: Any) -> Any:
    """The reports go into the navigation, whatever they are."""
    reports = sorted((ROOT / "docs" / "reports").glob("*.md"))
    config["nav"].append({"Measurements": [f"reports/{path.name}" for path in reports]})
    return config


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    files.append(File.generated(config, "command.md", content=command()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to files outside docs/ become links to the repository."""
    here = Path(page.file.src_uri).parent

    def outside(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target or target.startswith("#"):
            return match[0]
        path, _, anchor = target.partition("#")
        full = (ROOT / "docs" / here / path).resolve()
        if full.is_relative_to(ROOT / "docs") and (full.is_file() and full.suffix != ".py"):
            return match[0]
        base = f"{config['repo_url']}/tree/main/{full.relative_to(ROOT).as_posix()}"
        return f"{match[1]}({base}{'#' + anchor if anchor else ''})"

    markdown = with_sources(markdown) if page.file.src_uri == "methods.md" else markdown
    return re.sub(r"(\[[^\]]*\])\(([^)\s]+)\)", outside, markdown)


def with_sources(markdown: str) -> str:
    """Before each method what it is and the paper it is from: the first line of its module."""
    lines = {}
    for path in (ROOT / "restore" / "guidance").glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                lines[node.name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return re.sub(
        r"(?m)^::: restore\.guidance\.(?:\w+\.)?(\w+)$", lambda found: f"**{lines[found[1]]}**\n\n{found[0]}", markdown
    )


def command() -> str:
    """Every subcommand with its help, as it prints it."""
    import click

    from restore.cli.root import root

    lines = ["# Command reference", "", "What `restore COMMAND --help` prints.", ""]
    with click.Context(root, info_name="restore") as context:
        for name in root.list_commands(context):
            lines += _help(root.get_command(context, name), f"restore {name}", context)
    return "\n".join(lines)


def _help(command: Any, name: str, parent: Any) -> list[str]:
    import click

    with click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, max_content_width=100) as context:
        lines = [f"## {name}", "", "```text", command.get_help(context), "```", ""]
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                lines += _help(command.get_command(context, child), f"{name} {child}", context)
        return lines
