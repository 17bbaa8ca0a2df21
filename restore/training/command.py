"""The command `restore train`: from pictures to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from restore.errors import UsageError
from restore.networks.presets import PRESETS
from restore.training import families
from restore.training.autoencoders import AUTOENCODERS
from restore.training.budget import Budget
from restore.training.optimizers import NAMES
from restore.training.runs import DTYPES, train_codec, train_prior
from restore.wording import called

POSITIVE = click.FloatRange(min=0, min_open=True)

CODECS_ALONE = {"factor", "latent_channels", "width", "codebook", "kl_weight"}
PRIORS_ALONE = {
    "family",
    "network",
    "sigma_start",
    "compile_network",
    "init",
    "diffusers",
    "latent",
    "labels",
    "label_dropout",
    *families.NAMES,
}
FLAGS = {"compile_network": "compile"}


def _numbers(_: Any, __: Any, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 1,0.5") from None


@click.command("train", context_settings={"show_default": True})
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="model folder to write")
@click.option("--codec", type=click.Choice(list(AUTOENCODERS)), help="train a codec in place of a prior: for --latent")
@click.option("--factor", type=click.Choice(["2", "4", "8", "16"]), help="codec: pixels along a side of a cell (4)")
@click.option("--latent-channels", type=click.IntRange(1, 64), help="codec: channels of latents (4)")
@click.option("--width", type=click.IntRange(8, 1024), help="codec: feature channels of its finest level, a multiple of 8 (32)")
@click.option("--codebook", type=click.IntRange(2, 2**16), help="codec vq: number of codes (512)")
@click.option("--kl-weight", type=click.FloatRange(min=0), help="codec kl: weight of the code's cost in nats (0.001)")
@click.option("--latent", metavar="CODEC", help="train on latents of this codec's folder (of --codec, or in diffusers' layout)")
@click.option(
    "--labels", is_flag=True, help="learn classes: the `labels` (and `names`) of an .npz, or the folders that pictures lie in"
)
@click.option(
    "--label-dropout",
    type=click.FloatRange(0, 1, max_open=True),
    help="labels: share of pictures whose class is not told, for --guidance-scale; 0 for a prior that must be told one (0.1)",
)
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
    "--init",
    metavar="PRIOR",
    help="start from the weights of this prior; of the same network, one with fewer blocks, or without the cascade",
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

    With --codec it trains an autoencoder (kl or vq), which --latent takes.

    Networks small, base, deep, deep-cascade, deeper and large are for restoring photographs of any size. Networks whole-* and
    unet-* have a receptive field of a whole small picture, and can also sample such pictures.
    """
    given = {name for name in options if click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT}
    for name in sorted(given & (PRIORS_ALONE if options["codec"] else CODECS_ALONE)):
        what = (
            f"priors, which {called('codec')} does not train"
            if options["codec"]
            else f"codecs; give {called('codec', such_as=' or '.join(AUTOENCODERS))}"
        )
        raise UsageError(f"{called(FLAGS.get(name, name))} is for {what}")
    budget = Budget(options["steps"], options["minutes"], options["warmup"], options["cooldown"])
    return (train_codec if options["codec"] else train_prior)(data, out, budget, options)
