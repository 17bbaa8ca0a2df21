"""`restore models convert` and `restore models average`: write model folders from other models."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restore.cli import console
from restore.errors import UsageError

if TYPE_CHECKING:
    from restore.priors import Prior
    from restore.priors.loaders.checkpoint import Checkpoint


@click.command("convert")
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="precision of the stored weights; float32 gives exactly the outputs of SOURCE, float16 halves the folder",
)
@click.option("--overwrite", is_flag=True, help="replace OUT if it is a model folder")
def convert_command(source: str, out: Path, dtype: str, overwrite: bool) -> None:
    """Write the prior SOURCE (adm:FILE.pt, diffusers:ID, a folder or Hub id) as a model folder OUT."""
    from restore.pretrained import checkpoint
    from restore.priors.loaders.checkpoint import build_prior

    _check(out, overwrite)
    found = checkpoint(source)
    made = f"A prior ({found.config['family']}, network {found.config['network']['type']}) made by `restore models convert`."
    _write(out, dict(found.config), build_prior(found), made, about(found), dtype)


@click.command("average")
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="model folder to write")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float16",
    show_default=True,
    help="precision of the stored weights",
)
@click.option("--overwrite", is_flag=True, help="replace OUT if it is a model folder")
def average_command(models: tuple[str, ...], out: Path, dtype: str, overwrite: bool) -> None:
    """Write the mean of the weights of several MODELs as a model folder.

    MODELs are folders or bundled ones: checkpoints of one run, or trained from one another (`restore train --init`).
    """
    from restore.priors.loaders.load import BUNDLED
    from restore.training.averaging import average_models

    if len(models) < 2:
        raise UsageError("a mean needs two models or more")
    _check(out, overwrite)
    config, prior = average_models([BUNDLED.get(name, Path(name)) for name in models])
    lines = [f"- from: {', '.join(Path(name).name for name in models)}", "- licence and training data: those of all of them"]
    made = f"A prior ({config['family']}, network {config['network']['type']}) made by `restore models average`."
    _write(out, config, prior, made, lines, dtype)


def _check(out: Path, overwrite: bool) -> None:
    """Raises UsageError if OUT exists and may not be replaced."""
    from restore.priors.loaders import folder

    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; give another folder or --overwrite")
    if out.exists() and not (out / folder.CONFIG).is_file():
        raise UsageError(f"{out} is no model folder and is left alone; give another folder")


def _write(out: Path, config: dict[str, Any], prior: Prior, made: str, lines: Sequence[str], dtype: str) -> None:
    """Write a model folder under a temporary name, then rename it."""
    import torch

    from restore.priors.loaders import folder

    partial = out.parent / f".{out.name}.part"
    shutil.rmtree(partial, ignore_errors=True)
    folder.save(partial, config, prior, _card(out.name, made, lines, dtype), dtype=getattr(torch, dtype))
    if out.exists():
        shutil.rmtree(out)
    partial.replace(out)
    print(console.spelled(str(out)))


def about(found: Checkpoint) -> list[str]:
    """Lines of a model card that describe a converted prior."""
    settings = {key: value for key, value in found.config.get("prior", {}).items() if not isinstance(value, list)}
    return [
        f"- from: {found.origin}",
        f"- weights: {sum(value.numel() for value in found.weights.values()) / 1e6:.1f} million",
        f"- settings: {', '.join(f'{key} {value}' for key, value in settings.items()) or 'its defaults'}",
        "- licence and training data: those of the source",
    ]


def _card(name: str, made: str, lines: Sequence[str], dtype: str) -> str:
    """The model card as Markdown, with the Hub's front matter. The licence is unknown, because sources do not state it."""
    from restore.results.provenance import versions

    return "\n".join(
        [
            "---",
            "license: unknown",
            "library_name: diffusion-restore",
            "---",
            f"# {name}",
            "",
            made,
            "",
            *lines,
            f"- stored as {dtype}, by {', '.join(f'{name} {number}' for name, number in versions().items())}",
            "",
        ]
    )
