"""`restore evaluate`: bits per dimension and denoising PSNR of a prior, on pictures."""

from __future__ import annotations

import json as json_module
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restore.cli import console
from restore.cli.flags import click_options
from restore.cli.info import table
from restore.cli.sample import Size, check_targets, own_size, write_grid
from restore.cli.streams import aside
from restore.errors import UsageError
from restore.options.run_options import RunOptions

if TYPE_CHECKING:
    from torch import Tensor

    from restore.likelihood import Bound
    from restore.priors import Prior

ROWS = 12  # The largest number of rows in the table of steps; --json prints all steps.


@click.command("evaluate")
@click.argument("prior")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-n", "--count", type=click.IntRange(min=2), default=64, metavar="N", help="number of pictures  [default 64]")
@click.option("--skip", type=click.IntRange(min=0), default=0, metavar="N", help="leave out the first N, such as training data")
@click.option("--size", type=Size(), help="centre-crop to HxW; by default an array's own size, or the prior's")
@click.option(
    "--likelihood",
    type=click.Choice(["bound", "flow", "none"]),
    help="by the variational bound (default for discrete noise levels), the probability-flow ODE (default otherwise), or none",
)
@click.option(
    "--every", type=click.IntRange(min=1), default=1, metavar="N", help="bound: evaluate one in N steps  [default 1: all]"
)
@click.option("--steps", type=click.IntRange(min=1), default=32, metavar="N", help="flow: Runge-Kutta steps  [default 32]")
@click.option("--probes", type=click.IntRange(min=1), default=1, metavar="N", help="flow: probes of the trace  [default 1]")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="BOUND.png", help="plot the bound by step; implies --likelihood bound"
)
@click.option("--seed", type=int, default=0, metavar="N", help="seed of all noise  [default 0]")
@click.option("--batch", type=click.IntRange(min=1), default=64, metavar="N", help="pictures per evaluation  [default 64]")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="float32",
    help="dtype of the network; 16 bits make the figures less accurate  [default float32]",
)
def evaluate_command(prior: str, data: Path, quiet: bool, verbose: int, **options: Any) -> None:
    """Evaluate PRIOR on DATA, a folder of pictures or an .npz/.npy array: bits per dimension, PSNR of denoising by noise level.

    PRIOR is a bundled model, a model folder, or SCHEME:ID. Fewer bits are better, and more decibels.
    """
    console.set_level(quiet, verbose)
    if options["plot"] is not None:
        if options["likelihood"] not in (None, "bound"):
            raise UsageError("--plot draws the variational bound; leave out --likelihood, or give bound")
        options["likelihood"] = "bound"
        check_targets([options["plot"]], options["overwrite"])
    _run(prior, data, **options)


evaluate_command.params += click_options(RunOptions, "device", "overwrite", "json", "quiet", "verbose")


def _run(
    name: str,
    data: Path,
    *,
    count: int,
    skip: int,
    size: tuple[int, int] | None,
    likelihood: str | None,
    every: int,
    steps: int,
    probes: int,
    plot: Path | None,
    seed: int,
    batch: int,
    device: str | None,
    dtype: str | None,
    overwrite: bool,
    json: bool,
) -> None:
    from restore import images, pretrained
    from restore.device.placement import Placement
    from restore.likelihood import denoising_psnr
    from restore.likelihood.data import load

    if not data.exists():
        images.find([data])  # Raises the error for a missing path.
    placement = Placement.current(device, dtype)
    with aside():
        prior = pretrained.prior(name, dtype=placement.dtype).to(placement.device)
    wanted = size or (own_size(name) if data.is_dir() else None)
    x0 = load(data, count=count, channels=prior.channels, size=wanted, skip=skip).to(placement.device)
    method = likelihood or ("flow" if prior.levels is None else "bound")
    shape = "x".join(map(str, x0.shape[2:]))
    told: dict[str, Any] = {"prior": name, "data": str(data), "skip": skip, "pictures": len(x0), "size": list(x0.shape[2:])}
    lines = [f"{name} on {len(x0)} pictures of {shape}, {'gray' if prior.channels == 1 else 'colour'}"]
    if method == "bound":
        bound = _bound(prior, x0, every=every, seed=seed, batch=batch)
        told |= {"likelihood": "bound", **_summary(bound.total), **_parts(bound, every)}
        lines += _bound_lines(bound, every)
        if plot is not None:
            from restore.likelihood.plot import bound_picture

            write_grid(plot, bound_picture(bound), 3, overwrite)
            told["plot"] = str(plot)
    elif method == "flow":
        bits = _flow(prior, x0, steps=steps, probes=probes, seed=seed, batch=batch)
        told |= {"likelihood": "flow", **_summary(bits), "steps": steps, "probes": probes, "dequantisation": "uniform"}
        lines += [
            f"bits/dim {_said(bits)} by the probability-flow ODE, uniformly dequantised",
            f"  {steps} Runge-Kutta steps, {probes} probe(s), sigma {prior.sigma_min:.3g} to {prior.sigma_max:.3g}",
        ]
    with aside(), console.progress("denoising") as show:
        denoised = denoising_psnr(prior, x0, seed=seed, batch=batch, on_step=show)
    told["denoising"] = [line._asdict() for line in denoised]
    rows = [(f"{line.sigma:.3g}", f"{line.sigma * 127.5:.3g}", f"{line.noisy:.2f}", f"{line.psnr:.2f}") for line in denoised]
    lines += ["", table(("sigma", "grey levels", "noisy dB", "denoised dB"), rows)]
    print(json_module.dumps(told) if json else "\n".join(lines))


def _bound(prior: Prior, x0: Tensor, **options: Any) -> Bound:
    from restore.likelihood import variational_bound

    with aside(), console.progress("variational bound") as show:
        return variational_bound(prior, x0, on_step=show, **options)


def _flow(prior: Prior, x0: Tensor, *, seed: int, **options: Any) -> Tensor:
    from restore.likelihood import bits_per_dim, dequantised, flow_likelihood
    from restore.likelihood.units import seeded

    with aside(), console.progress("probability flow") as show:
        density = flow_likelihood(prior, dequantised(x0, seeded(seed)), seed=seed, on_step=show, **options)
    return bits_per_dim(density, x0[0].numel())


def _summary(bits: Tensor) -> dict[str, float]:
    return {"bits_per_dim": float(bits.mean()), "standard_error": float(bits.std()) / math.sqrt(len(bits))}


def _said(bits: Tensor) -> str:
    return f"{float(bits.mean()):.3f} +- {float(bits.std()) / math.sqrt(len(bits)):.3f}"


def _parts(bound: Bound, every: int) -> dict[str, Any]:
    return {
        "prior_term": float(bound.prior.mean()),
        "steps_term": float(bound.steps.mean()),
        "decoder_term": float(bound.decoder.mean()),
        "every": every,
        "steps": [term._asdict() for term in bound.terms],
    }


def _bound_lines(bound: Bound, every: int) -> list[str]:
    count = sum(term.weight for term in bound.terms)
    how = f"all {count} steps" if every == 1 else f"{len(bound.terms)} of {count} steps, one in {every} (--every)"
    head = [f"bits/dim {_said(bound.total)} by the variational bound, {how}"]
    head += [f"  {word:<8} {float(part.mean()):.4f}" for word, part in (("prior", bound.prior), ("steps", bound.steps))]
    head.append(f"  decoder  {float(bound.decoder.mean()):.4f}")
    size = -(-len(bound.terms) // ROWS)
    runs = [bound.terms[first : first + size] for first in range(0, len(bound.terms), size)]
    rows = [
        (
            f"{run[0].step}-{run[-1].step}" if len(run) > 1 else str(run[0].step),
            f"{run[0].sigma:.3g}",
            f"{run[-1].sigma_next:.3g}",
            f"{sum(term.bits * term.weight for term in run):.4f}",
        )
        for run in runs
    ]
    return [*head, "", table(("steps", "from sigma", "to sigma", "bits/dim"), rows)]
