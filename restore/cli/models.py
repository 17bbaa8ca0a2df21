"""`restore models`: lists, shows, verifies, converts and averages priors."""

from __future__ import annotations

import hashlib
import json as json_module
from pathlib import Path
from typing import Any

import click

from restore.cli.info import table
from restore.cli.models_convert import about, average_command, convert_command
from restore.cli.streams import aside
from restore.errors import PriorError, UsageError, suggest


@click.group("models", invoke_without_command=True)
@click.pass_context
def models_command(context: click.Context) -> None:
    """List priors, show their cards, verify them, convert them to model folders, or average several."""
    if context.invoked_subcommand is None:
        context.invoke(list_command, json=False)


@models_command.command("list")
@click.option("--json", is_flag=True, help="print a JSON array")
def list_command(json: bool) -> None:
    """List the bundled priors."""
    from restore.priors.loaders.load import BUNDLED

    models = [_facts(name, folder) for name, folder in sorted(BUNDLED.items())]
    if json:
        print(json_module.dumps(models, indent=2))
        return
    rows = [(one["name"], one["state"], f"{one['megabytes']:.1f} MB", one["about"]) for one in models]
    print(table(("model", "state", "size", "about"), rows))


@models_command.command("info")
@click.argument("model")
@click.option("--json", is_flag=True, help="print a JSON object")
def info_command(model: str, json: bool) -> None:
    """Show the card of MODEL, a bundled one or a folder; of others (adm:FILE.pt, diffusers:ID) show the config.

    A model that cannot be loaded is an error (3).
    """
    from restore.priors.loaders.load import BUNDLED

    if model not in BUNDLED and not (Path(model) / "config.json").is_file() and (":" in model or "/" in model):
        _foreign(model, json)
        return
    folder = _folder(model)
    facts = _facts(model, folder)
    if model not in BUNDLED:
        _refuse_broken(model, facts)
    if json:
        print(json_module.dumps(facts, indent=2))
        return
    print(f"{model}: {facts['state']}, {facts['megabytes']:.1f} MB, sha256 {facts['sha256']}\n")
    print(_read(folder, "README.md").strip() or "This model has no card.")


@models_command.command("verify")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
def verify_command(models: tuple[str, ...]) -> None:
    """Load each MODEL (all bundled ones if none is named) and evaluate it once on noise; fail (3) if one is damaged."""
    import torch

    from restore.pretrained import prior
    from restore.priors.latent.conditions import Conditions
    from restore.priors.loaders.load import BUNDLED
    from restore.results.provenance import weights_hash

    for name in models or sorted(BUNDLED):
        with aside():
            loaded = prior(name, local_files_only=True)
            side = max(64, loaded.multiple_of)
            try:
                loaded = loaded.given(Conditions())
            except UsageError as error:
                print(f"{name}: loads, weights {weights_hash(loaded)}; not evaluated: {error}")
                continue
            noise = torch.randn(1, loaded.channels, side, side, generator=torch.Generator().manual_seed(0))
            answer = loaded(noise, torch.tensor(1.0).clamp(loaded.sigma_min, loaded.sigma_max))
        if answer.shape != noise.shape or not bool(torch.isfinite(answer).all()):
            raise PriorError(f"prior {name} returns values that are not finite; its weights are damaged: get it again")
        print(f"{name}: ok, weights {weights_hash(loaded)}")


models_command.add_command(convert_command)
models_command.add_command(average_command)


def _foreign(model: str, json: bool) -> None:
    """Print origin and config of a prior that is not a model folder."""
    from restore.pretrained import checkpoint, pipeline

    told = pipeline(model)
    if told is not None:
        print(json_module.dumps({"name": model, "origin": told}, indent=2) if json else f"{model}: {told}")
        return
    found = checkpoint(model)
    if json:
        print(json_module.dumps({"name": model, "origin": found.origin, "config": found.config}, indent=2))
        return
    print(f"{model}: a prior ({found.config['family']}, network {found.config['network']['type']})\n")
    print("\n".join(about(found)))


def _refuse_broken(model: str, facts: dict[str, Any]) -> None:
    """Raise the error of loading a model folder; if it has no weights, that of its config."""
    from restore.pretrained import prior
    from restore.priors.loaders import schema

    if facts["state"] == "ready":
        with aside():
            prior(model, local_files_only=True)
    elif "family" in facts["config"]:
        schema.check(facts["config"], str(Path(model) / "config.json"))


def _folder(name: str) -> Path:
    """The folder of a model. Raises PriorError if there is none."""
    from restore.priors.loaders.load import BUNDLED

    folder = BUNDLED.get(name, Path(name))
    if not folder.is_dir():
        raise PriorError(f"{name!r} is no bundled model and no model folder; {suggest(name, BUNDLED)}")
    return folder


def _facts(name: str, folder: Path) -> dict[str, Any]:
    from restore.priors.loaders.hub import read_json

    weights, config = folder / "model.safetensors", _read(folder, "config.json")
    whole = weights.is_file() and bool(config)
    prose = [line for line in _read(folder, "README.md").splitlines() if line and not line.startswith(("#", "---"))]
    return {
        "name": name,
        "state": "ready" if whole else "incomplete",
        "megabytes": weights.stat().st_size / 1e6 if weights.is_file() else 0.0,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "",
        "about": prose[0] if prose else "",
        "config": read_json(folder / "config.json") if config else {},
    }


def _read(folder: Path, name: str) -> str:
    path = folder / name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
