"""The command `restore train`: from pictures to a model folder."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from restore import pretrained
from restore.errors import RestoreError
from restore.networks.presets import PRESETS
from restore.priors.prior import Prior
from restore.training import export, families, pictures
from restore.training.budget import Budget, Report
from restore.training.card import card
from restore.training.data import load_crops
from restore.training.optimizers import NAMES
from restore.training.train import train as run

logger = logging.getLogger("restore")
POSITIVE = click.FloatRange(min=0, min_open=True)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _numbers(_: Any, __: Any, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 1,0.5") from None


@click.command("train", context_settings={"show_default": True})
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="model folder to write")
@click.option("--family", type=click.Choice(sorted(families.OPTIONS)), default="edm", help="family of the prior")
@click.option("--network", type=click.Choice(list(PRESETS)), default="base", help="network architecture and size")
@click.option("--channels", type=click.Choice(["1", "3"]), default="3", help="1 for gray pictures, 3 for colour")
@click.option("--size", type=click.IntRange(min=8), default=64, help="side of a crop in pixels")
@click.option("--steps", type=click.IntRange(min=1), help="end after this many steps")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="end after this time")
@click.option("--batch", type=click.IntRange(min=1), default=16, help="crops per step, over all processes")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="maximum learning rate")
@click.option("--warmup", type=click.IntRange(min=1), default=500, help="steps of linear learning rate warmup")
@click.option(
    "--cooldown", type=click.FloatRange(0, 1, min_open=True), default=0.3, help="share of the run in which the rate falls to 0"
)
@click.option("--ema", type=click.FloatRange(0, 1), default=0.9995, help="decay of the exponential moving average of weights")
@click.option("--scales", default="1", callback=_numbers, help="scales at which each picture is used, such as 1,0.7,0.5")
@click.option(
    "--procedural", type=click.FloatRange(0, 1), default=0.0, help="share of crops from procedurally generated pictures"
)
@click.option("--gray", type=click.FloatRange(0, 1), default=0.0, help="share of crops converted to gray")
@click.option("--jitter", type=click.FloatRange(0, 1), default=0.0, help="share of crops with random gains on the channels")
@click.option(
    "--detail", type=click.IntRange(min=1), default=1, help="candidates per crop; the one with the most detail is used"
)
@click.option("--flip/--no-flip", default=True, help="mirror and rotate crops at random; not for digits or letters")
@click.option("--prediction", type=click.Choice(list(families.PREDICTIONS)), help="ddpm: what the network predicts (epsilon)")
@click.option("--schedule", type=click.Choice(["linear", "cosine"]), help="ddpm: noise schedule (linear)")
@click.option(
    "--variance",
    type=click.Choice(["fixed-small", "fixed-large", "learned"]),
    help="ddpm: variance of the reverse steps (fixed-small)",
)
@click.option("--sigma-min", type=POSITIVE, help="ncsn, ve, edm: lowest noise level (0.02, 0.02, 0.002)")
@click.option("--sigma-max", type=POSITIVE, help="ncsn, ve, edm: highest noise level (100, 100, 80)")
@click.option("--levels", type=click.IntRange(min=2), help="ncsn: number of noise levels (200)")
@click.option("--sigma-mean", type=float, help="edm: mean of log sigma (-1.2)")
@click.option("--sigma-std", type=POSITIVE, help="edm: standard deviation of log sigma (1.2)")
@click.option(
    "--sigma-spread",
    type=click.FloatRange(0, 1),
    help="edm: share of noise levels that are log-uniform over the whole range (0.1)",
)
@click.option(
    "--relative",
    type=click.FloatRange(min=0),
    help="edm: f in the loss f log(1 + L / f) of each crop, such as 0.02; 0 for the loss L (0)",
)
@click.option(
    "--pnp-states",
    type=click.FloatRange(0, 1),
    help="edm: share of crops that are intermediate states of plug-and-play restoration, for guidance pnp (0)",
)
@click.option(
    "--jpeg-states",
    type=click.FloatRange(0, 1),
    help="edm: share of crops that are intermediate states of taking JPEG artefacts out, for task jpeg (0)",
)
@click.option(
    "--sigma-start",
    type=float,
    help="noise level at which restorations start by default, from an initial estimate; the highest if not given",
)
@click.option("--dtype", type=click.Choice(sorted(DTYPES)), default="float32", help="what the network computes in")
@click.option(
    "--compile",
    "compile_network",
    is_flag=True,
    help="compile the network with torch.compile: takes minutes, then steps are faster",
)
@click.option(
    "--init", metavar="PRIOR", help="start from the weights of this prior; it has the same network, or one with fewer blocks"
)
@click.option("--accumulate", type=click.IntRange(min=1), default=1, help="micro-batches per step, to save memory")
@click.option(
    "--optimizer",
    type=click.Choice(NAMES),
    default="adamw",
    help="optimizer; muon uses adamw for biases, gains and the first and last layer",
)
@click.option("--tracker", type=click.Choice(["tensorboard"]), help="also log loss and learning rate for this tool, in OUT")
@click.option(
    "--diffusers", is_flag=True, help="also write OUT/diffusers for diffusers.DDPMPipeline; family ddpm with network unet-*"
)
@click.option("--save-every", type=click.FloatRange(min=0), default=300.0, help="seconds between checkpoints")
@click.option("--seed", type=int, default=0, help="seed of weights, crops and noise")
@click.option("--resume", is_flag=True, help="resume the run in OUT, up to --steps or --minutes in all")
def train(data: tuple[Path, ...], out: Path, **options: Any) -> int:
    """Train a prior on pictures: files, folders (searched recursively) or .npz/.npy arrays.

    Give --steps or --minutes. Ctrl-C saves and ends the run (exit code 130), and so does SIGTERM (143); --resume continues it
    exactly. Under `accelerate launch` each process takes its share of each batch. The run also writes loss.png, samples.png
    and metrics.jsonl into OUT.

    Networks small, base, deep, deeper and large are for restoring photographs of any size. Networks whole-* and unet-* have a
    receptive field of a whole small picture, and can also sample such pictures.
    """
    budget = Budget(options["steps"], options["minutes"], options["warmup"], options["cooldown"])
    channels = int(options["channels"])
    family_options = families.settings(options["family"], options)
    network = {**PRESETS[options["network"]], "channels": channels}
    config = families.config(options["family"], network, family_options, options["sigma_start"])
    config["size"] = options["size"]  # The default size of `restore sample`.
    if options["diffusers"]:
        export.check(config)
    crops = load_crops(
        data,
        size=options["size"],
        channels=channels,
        scales=options["scales"],
        procedural=options["procedural"],
        gray=options["gray"],
        jitter=options["jitter"],
        flip=options["flip"],
        detail=options["detail"],
        seed=options["seed"],
    )

    def draw(prior: Prior, report: Report, losses: Sequence[float]) -> None:
        if report.progress < 1:
            logger.info("step %d, loss %.4f, %.0f %% of the budget", report.step, report.loss, 100 * report.progress)
        if losses:
            pictures.write(out / "loss.png", pictures.loss_curve(losses))
        try:
            pictures.write(out / "samples.png", pictures.samples(prior, options["size"]))
        except (RestoreError, RuntimeError) as error:  # Such as too little memory; the run goes on.
            logger.warning("samples.png could not be made: %s", error)
        if options["diffusers"]:
            export.to_diffusers(prior, config, options["size"], out / "diffusers")

    with _bar(options["batch"]) as show:
        report = run(
            config,
            families.objective(config, family_options),
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
            save_every=options["save_every"],
            accumulate=options["accumulate"],
            optimizer_name=options["optimizer"],
            tracker=options["tracker"],
            card=lambda report: card(data, out, options, config, crops, report),
            on_step=show,
            on_checkpoint=draw,
        )
    logger.info("step %d, loss %.4f, %.0f s", report.step, report.loss, report.seconds)
    if report.stopped_by:
        return 128 + report.stopped_by
    click.echo(str(out))
    return 0


@contextmanager
def _bar(batch: int) -> Iterator[Callable[[Report], None]]:
    """A progress bar with loss, speed and time left, if stderr is a terminal; yields the function to call after each step."""
    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:.0f} pictures/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=1.0, step=0, loss=math.nan, speed=0.0)
        recent = deque[tuple[int, float]](maxlen=50)

        def show(report: Report) -> None:
            recent.append((report.step, report.seconds))
            (first, before), (last, now) = recent[0], recent[-1]
            speed = batch * (last - first) / (now - before) if now > before else 0.0
            progress.update(bar, completed=report.progress, step=report.step, loss=report.loss, speed=speed)

        yield show
