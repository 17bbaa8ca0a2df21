"""The model card that a training run writes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restore.results.provenance import versions
from restore.training.budget import Report
from restore.training.data import Crops


def card(
    data: tuple[Path, ...], out: Path, options: Mapping[str, Any], config: Mapping[str, Any], crops: Crops, report: Report
) -> str:
    """The card as Markdown with the front matter of the Hub. The licence is left for whoever trained the model to fill in."""
    lines = [
        "---",
        "license: unknown",
        "library_name: diffusion-restore",
        "---",
        f"# {out.name}",
        "",
        f"{_what(config)} of pictures with {crops.channels} channel(s), trained by `restore train`.",
        "",
        "## Data",
        *[f"- {source.name}" for source in data],
        f"- {len(crops.pictures)} pictures in memory; procedural ones with probability {options['procedural']}",
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
    """The command line that repeats the training; paths are shortened to their last part."""
    words = ["restore", "train", *[source.name for source in data], "-o", out.name]
    for name, value in options.items():
        flag = "--compile" if name == "compile_network" else "--" + name.replace("_", "-")
        if name == "resume":
            continue  # The card describes the run as a whole.
        if name == "flip":
            words += [] if value else ["--no-flip"]
        elif value is True:
            words.append(flag)
        elif value not in (None, False):
            value = Path(value).name if name in ("latent", "init") and Path(value).exists() else value
            words += [flag, ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)


def _what(config: Mapping[str, Any]) -> str:
    return f"A prior ({config['family']})" if "family" in config else f"A codec ({config['codec']})"
