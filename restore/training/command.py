"""`restore train`: from pictures to a model folder."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from restore import pretrained
from restore.training.card import card
from restore.training.data import load_crops
from restore.training.objectives import EDMObjective
from restore.training.train import Budget, Report
from restore.training.train import train as run

logger = logging.getLogger("restore")
SIZES = {"small": ((32, 64, 128), 1), "base": ((64, 128, 256), 2), "large": ((96, 192, 384), 4)}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _numbers(_: Any, __: Any, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers like 1,0.5") from None


@click.command("train")
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="model folder to write")
@click.option("--family", type=click.Choice(["edm"]), default="edm", help="kind of prior")
@click.option("--network", type=click.Choice(sorted(SIZES)), default="base", help="size of the network")
@click.option("--channels", type=click.Choice(["1", "3"]), default="3", help="gray or colour pictures")
@click.option("--size", type=click.IntRange(min=8), default=64, help="side of a crop in pixels")
@click.option("--steps", type=click.IntRange(min=1), help="how many steps to train")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="how long to train")
@click.option("--batch", type=click.IntRange(min=1), default=16, help="pictures a step, over all processes")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="highest learning rate")
@click.option("--ema", type=click.FloatRange(0, 1), default=0.9995, help="decay of the weight average")
@click.option("--scales", default="1", callback=_numbers, help="sizes each picture is also shown at, like 1,0.7,0.5")
@click.option("--procedural", type=click.FloatRange(0, 1), default=0.0, help="share of dead-leaves crops")
@click.option("--gray", type=click.FloatRange(0, 1), default=0.0, help="share of crops shown in gray")
@click.option("--jitter", type=click.FloatRange(0, 1), default=0.0, help="share of crops with random channel gains")
@click.option("--sigma-mean", type=float, default=-1.2, help="mean of log sigma")
@click.option("--sigma-std", type=float, default=1.2, help="standard deviation of log sigma")
@click.option("--sigma-spread", type=click.FloatRange(0, 1), default=0.1, help="share of levels over the whole range")
@click.option("--sigma-start", type=float, help="level at which guided runs begin, around a guess; the highest if not given")
@click.option("--dtype", type=click.Choice(sorted(DTYPES)), default="float32", help="arithmetic of the network")
@click.option("--compile", "compile_network", is_flag=True, help="compile the network first (minutes, then faster)")
@click.option("--init", metavar="PRIOR", help="start from the weights of this prior, of the same network")
@click.option("--seed", type=int, default=0, help="of weights, crops and noise")
@click.option("--resume", is_flag=True, help="continue the run in OUT, with this budget")
def train(data: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Train a prior on pictures: folders (searched recursively) or .npz/.npy arrays.

    Give --steps or --minutes. Ctrl-C saves; --resume continues exactly where a run stopped. Under `accelerate launch` every
    process takes its share of each batch.
    """
    budget = Budget(steps=options["steps"], minutes=options["minutes"])
    channels = int(options["channels"])
    widths, blocks = SIZES[options["network"]]
    config = {
        "family": options["family"],
        "network": {"type": "residual-unet", "channels": channels, "widths": list(widths), "blocks": blocks, "patch": 2},
        "prior": {"sigma_data": 0.5, "sigma_start": options["sigma_start"]},
    }
    crops = load_crops(
        data,
        size=options["size"],
        channels=channels,
        scales=options["scales"],
        procedural=options["procedural"],
        gray=options["gray"],
        jitter=options["jitter"],
        seed=options["seed"],
    )
    objective = EDMObjective(mean=options["sigma_mean"], std=options["sigma_std"], spread=options["sigma_spread"])
    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=1.0, step=0, loss=math.nan)

        def show(report: Report) -> None:
            progress.update(bar, completed=report.progress, step=report.step, loss=report.loss)

        report = run(
            config,
            objective,
            crops,
            out,
            budget,
            batch=options["batch"],
            learning_rate=options["lr"],
            ema=options["ema"],
            seed=options["seed"],
            dtype=DTYPES[options["dtype"]],
            compile_network=options["compile_network"],
            resume=options["resume"],
            initial=None if options["init"] is None else pretrained.prior(options["init"]),
            card=lambda report: card(data, out, options, config, crops, report),
            on_step=show,
        )
    logger.info("step %d, loss %.4f, %.0f s", report.step, report.loss, report.seconds)
    click.echo(str(out))
