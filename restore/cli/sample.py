"""`restore sample`: unconditional samples of a prior."""

from __future__ import annotations

import json as json_module
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restore.cli import console
from restore.cli.flags import click_options
from restore.cli.streams import aside
from restore.errors import PriorError
from restore.options.run_options import RunOptions
from restore.sampling.samplers import SAMPLERS

if TYPE_CHECKING:
    from torch import Tensor

    from restore.priors import Prior
    from restore.solving.generate import Step

CONDITIONS = ("prompt", "negative_prompt", "guidance_scale", "label")
FILMED, FRAMES = 4, 12  # Numbers of pictures and noise levels in a figure of trajectories.


class Size(click.ParamType):
    """`HxW`, or one number for both."""

    name = "HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.lower().split("x")
        if not (len(parts) in (1, 2) and all(part.isdecimal() and int(part) > 0 for part in parts)):
            self.fail(f"{value!r} is no size; give HxW in pixels, like 64x96, or one number", param, ctx)
        return int(parts[0]), int(parts[-1])


@click.command("sample")
@click.argument("prior")
@click.option("-n", "--count", type=click.IntRange(min=1), default=64, metavar="N", help="pictures to draw  [default 64]")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default="samples.png", help="the grid to write  [default samples.png]"
)
@click.option("--sampler", default="dpmpp-2m", metavar="NAME[:key=value,...]", help=f"sampler: {', '.join(SAMPLERS)}")
@click.option(
    "--schedule",
    "schedule_name",
    type=click.Choice(["karras", "geometric", "ddpm", "trailing", "leading", "quadratic"]),
    help="schedule of noise levels; by default karras, or for a prior with discrete levels its own rule, mostly ddpm",
)
@click.option("--steps", type=click.IntRange(min=1), default=50, metavar="N", help="transitions  [default 50]")
@click.option("--seed", type=int, default=0, metavar="N", help="seed of all noise  [default 0]")
@click.option("--size", type=Size(), help="height and width in pixels; by default the size in the prior's config, else 64")
@click.option("--batch", type=click.IntRange(min=1), default=16, metavar="N", help="pictures per evaluation  [default 16]")
@click.option(
    "--trajectory",
    type=click.Path(path_type=Path),
    metavar="FILM.png",
    help="write the trajectories of the first pictures: a row of x, scaled for display, above a row of D",
)
def sample_command(prior: str, quiet: bool, verbose: int, **options: Any) -> None:
    """Sample pictures from PRIOR alone and write them as one grid.

    PRIOR is a bundled model, a model folder, or SCHEME:ID.
    """
    console.set_level(quiet, verbose)
    _run(prior, **options)


sample_command.params += click_options(RunOptions, *CONDITIONS, "device", "dtype", "overwrite", "json", "quiet", "verbose")


def _run(
    name: str,
    *,
    count: int,
    out: Path,
    sampler: str,
    schedule_name: str | None,
    steps: int,
    seed: int,
    size: tuple[int, int] | None,
    batch: int,
    trajectory: Path | None,
    device: str | None,
    dtype: str | None,
    overwrite: bool,
    json: bool,
    **told: Any,
) -> None:
    from restore.sampling import samplers

    chosen = samplers.named(sampler)
    check_targets([out] if trajectory is None else [out, trajectory], overwrite)

    from restore import pretrained
    from restore.device.placement import Placement
    from restore.guidance.unconditional import nothing_measured
    from restore.priors.latent.conditions import Conditions
    from restore.results.figures import contact_sheet
    from restore.solving import generate

    placement = Placement.current(device, dtype)
    with aside():
        prior = pretrained.prior(name, dtype=placement.dtype).to(placement.device)
        size = size or own_size(name, prior.codec.factor)
        posed = nothing_measured((1, prior.codec.picture_channels, *size))
        prior = prior.given(Conditions(**told), posed)
    schedule = generate.schedule_for(prior, steps, schedule_name)
    shown = set(range(0, len(schedule) - 1, -(-(len(schedule) - 1) // FRAMES))) | {len(schedule) - 2}
    pictures, filmed = [], []
    start = time.perf_counter()
    with aside(), console.progress(f"{count} pictures") as show:
        for step in generate.stream(prior, count, size, chosen, schedule, seed, batch=batch, device=placement.device):
            show(step.step, step.steps)
            if step.done:
                pictures.append(step.x.cpu())
            if trajectory is not None and step.step - 1 in shown:
                filmed.append(step)
    seconds = time.perf_counter() - start
    import torch

    drawn = torch.cat(pictures)
    console.logger.info("%d pictures in %.1f s, %d transitions each", count, seconds, len(schedule) - 1)
    write_grid(out, contact_sheet(drawn.clamp(-1, 1)), drawn.shape[1], overwrite)
    if trajectory is not None:
        write_grid(trajectory, contact_sheet(_film(prior, filmed), columns=len(filmed)), drawn.shape[1], overwrite)
    if not json:
        print(console.spelled(str(out)))
        return
    report: dict[str, Any] = {"output": str(out), "trajectory": None if trajectory is None else str(trajectory), "prior": name}
    report |= {
        "pictures": count,
        "size": list(drawn.shape[-2:]),
        "sampler": sampler,
        "schedule": schedule_name,
        "steps": len(schedule) - 1,
        "seed": seed,
    }
    print(json_module.dumps({**report, "seconds": round(seconds, 3)}))


def own_size(name: str, factor: int = 1) -> tuple[int, int]:
    """The size (H, W) that a prior was trained on, from the config in its folder; else (64, 64).

    Args:
        factor: pixels along a side of a cell of latents, in which diffusers counts.
    """
    from restore.priors.loaders.load import BUNDLED

    folder = BUNDLED.get(name, Path(name.rpartition(":")[2]))
    for config in (folder / "config.json", *(folder / part / "config.json" for part in ("unet", "transformer"))):
        try:
            told = json_module.loads(config.read_text()) if config.is_file() else {}
            size = told.get("sample_size")  # diffusers' key.
            found = told.get("size", size * factor if isinstance(size, int) else size)
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise PriorError(f"{config}: cannot be read ({error})") from None
        if isinstance(found, int):
            return found, found
    return 64, 64


def _film(prior: Prior, filmed: list[Step]) -> Tensor:
    from dataclasses import replace

    from restore.solving.generate import frames

    return frames(prior, [replace(step, x=step.x[:FILMED]) for step in filmed])


def check_targets(targets: list[Path], overwrite: bool) -> None:
    """Raises PictureError for a file that cannot be written, to be called before a long run."""
    import numpy as np

    from restore import images

    for target in targets:
        images.check_target(target, images.as_picture(np.zeros((1, 1), np.uint8)), overwrite=overwrite)


def write_grid(path: Path, canvas: Any, channels: int, overwrite: bool) -> None:
    from restore import images

    images.write(path, images.as_picture(canvas if channels == 3 else canvas[..., 0].copy()), overwrite=overwrite)
