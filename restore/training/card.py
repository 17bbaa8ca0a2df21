"""The model card a training run writes: what was trained, on what, how long."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restore.results.provenance import versions
from restore.training.data import Crops
from restore.training.train import Report


def card(
    data: tuple[Path, ...], out: Path, options: Mapping[str, Any], config: Mapping[str, Any], crops: Crops, report: Report
) -> str:
    """Markdown with the front matter the Hub reads; the licence is for the person who trained to fill in."""
    lines = [
        "---",
        "license: unknown",
        "library_name: diffusion-restore",
        "---",
        f"# {out.name}",
        "",
        f"A prior ({config['family']}) of pictures with {crops.channels} channel(s), trained by `restore train`.",
        "",
        "## Data",
        *[f"- {source.name}" for source in data],
        f"- {len(crops.pictures)} pictures in memory, drawn ones with probability {options['procedural']}",
        "",
        "## Training",
        f"- command: `{command(data, out, options)}`",
        f"- {report.step} steps of {options['batch']} crops of {options['size']} pixels, {report.seconds / 3600:.2f} hours",
        f"- training loss at the end (running mean): {report.loss:.4f}",
        f"- versions: {', '.join(f'{name} {number}' for name, number in versions().items())}",
        "",
        "## Config",
        "```json",
        json.dumps(config, indent=2),
        "```",
        "",
    ]
    return "\n".join(lines)


def command(data: tuple[Path, ...], out: Path, options: Mapping[str, Any]) -> str:
    """The command line that asks for the same training; folders by their names alone."""
    words = ["restore", "train", *[source.name for source in data], "-o", out.name]
    for name, value in options.items():
        flag = "--compile" if name == "compile_network" else "--" + name.replace("_", "-")
        if name == "resume":
            continue  # How a run was interrupted is not part of what made the weights.
        if name == "flip":
            words += [] if value else ["--no-flip"]
        elif value is True:
            words.append(flag)
        elif value not in (None, False):
            words += [flag, ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)
