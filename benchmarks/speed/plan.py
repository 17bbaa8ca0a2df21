"""What `--plan` says against what happens, task by task and method by method."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from benchmarks.harness import Row, verdict
from benchmarks.pictures import noisy, photograph, write
from benchmarks.speed.engine import SIGMA, lost
from benchmarks.speed.large import PLAN_BAR, against
from benchmarks.speed.sections import Cell, Found, Section, Setting, command
from benchmarks.speed.timing import in_turns, watched
from restore import Restorer
from restore.images import as_picture
from restore.options.checked import build
from restore.planning.plan import LARGEST_WINDOW
from restore.plugins import manager

SIZES = (96, 256, 1024)
TASKS = ("inpaint", "super-resolution", "denoise", "colorize")
SHARE_BAR, BEYOND_BAR = 0.2, 0.5  # Of planning beyond one evaluation: share of the run, and seconds.
METHODS = {"repaint": 10, "denoising-samples": 10, "pigdm": 5, "mmps": 3}


def cells(setting: Setting) -> Iterator[Cell]:
    for size in SIZES[:2] if setting.quick else SIZES:
        yield from ({"task": task, "method": "", "steps": 0, "size": size} for task in TASKS)
        yield {"task": "super-resolution", "method": "", "steps": 0, "size": size, "noisy": True}
    for method, steps in () if setting.quick else METHODS.items():
        task = "denoise" if method.startswith("denoising") else "inpaint"
        yield {"task": task, "method": method, "steps": steps, "size": 512}


def measure(setting: Setting, cell: Cell) -> Found:
    """Seconds and memory of the command, in processes of their own; evaluations, and the time to plan, in this one.

    The prior is copied, so that nothing is known of it from plans made before.
    """
    words = prepared(setting, cell)
    out = ["-o", setting.work / "out.png", "--overwrite"]
    planned, ran = command(setting, *words, "--plan"), command(setting, *words, *out)
    again, after = command(setting, *words, *out), command(setting, *words, "--plan")
    said = [one["out"]["estimate"] for one in (planned, after)]
    task, path, *flags = words
    keywords = {str(flag)[2:].replace("-", "_"): value for flag, value in zip(flags[::2], flags[1::2], strict=True)}
    # With its side named no window is evaluated to see what fits into memory.
    restorer = Restorer(setting.restorer.prior, placement=setting.restorer.placement, tile=LARGEST_WINDOW)
    with watched(restorer.prior) as seen:
        restorer(task, path, **keywords)
    fresh = Restorer(copy.deepcopy(setting.restorer.prior), placement=setting.restorer.placement)
    _ = fresh.prior_hash  # A hash of the weights is no part of a plan.
    known = manager.load().task(task)
    plans = [lambda: fresh.estimate(task, path, **keywords)] * 2  # The next picture of a folder is planned faster.
    sets_up = lambda: known.problem(as_picture(path).without_colour(), build(known.Options, **own(keywords)))  # noqa: E731
    found = in_turns([*plans, sets_up], 1)
    planning, again_planning, setting_up = (one[0].wall for one in found)
    return {
        "evaluations": seen.pictures,
        "planned evaluations": said[0]["evaluations"],
        "seconds": (ran["out"]["seconds"] + again["out"]["seconds"]) / 2,
        "planned seconds": sum(one["seconds"] for one in said) / 2,
        "planning": planning,
        "planning the next": again_planning,
        "setting up": setting_up,
        "evaluation": seen.inside / len(seen.spans),
        "peak": ran["peak"],
        "planned peak": said[0]["peak"],
    }


def prepared(setting: Setting, cell: Cell) -> list[object]:
    """The task, its picture, and flags with their values."""
    size = cell["size"]
    picture, path = photograph(setting.data, size, size), setting.work / "planned.png"
    extra = setting.work / "planned-extra.png"
    flags: list[object] = []
    if cell["task"] == "inpaint":
        write(extra, np.uint8(255) * lost(size))
        flags = ["--mask", extra]
    elif cell["task"] == "super-resolution":
        picture, flags = cv2.resize(picture, (size // 4, size // 4), interpolation=cv2.INTER_AREA), ["--scale", 4]
        picture = noisy(picture, SIGMA) if cell.get("noisy") else picture
    elif cell["task"] == "denoise":
        picture = noisy(picture, SIGMA)
    else:
        shown = np.random.default_rng(0).random((size, size)) < 0.01
        cv2.imwrite(str(extra), np.dstack([picture[..., ::-1], shown * 255]).astype(np.uint8))
        picture, flags = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2), ["--hints", extra]
    write(path, picture)
    return [cell["task"], path, *flags, *(["--guidance", cell["method"], "--steps", cell["steps"]] if cell["method"] else [])]


def own(keywords: dict[str, object]) -> dict[str, object]:
    """Those of a task, without those of every run."""
    return {name: value for name, value in keywords.items() if name not in ("guidance", "steps")}


def beyond(row: Row) -> float:
    """Seconds of planning beyond setting up the problem, with which a run begins, too, and one evaluation."""
    return float(max(0.0, row["planning"] - row["setting up"] - row["evaluation"]))


def timed(shown: Callable[[Row], str]) -> Callable[[Row], str]:
    """A column of rows whose planning was timed part by part; "-" in others."""
    return lambda row: shown(row) if "setting up" in row else "-"


def off(name: str) -> Callable[[Row], str]:
    return lambda row: against(row[f"planned {name}"], row[name])


PLAN = Section(
    "plan",
    "### Plans against what happened\n\n"
    f"How far `--plan` was off; the bar is {100 * PLAN_BAR:.0f} %. Figures of the command are of processes of their own: plan, "
    "run, run, plan. Noise is measured, as it is by default. Planning is timed in one process, for a prior of which nothing is "
    "known yet, and for the next picture of the same size. *Beyond* is what planning takes beyond setting up the problem "
    "(reading, measuring noise), which begins a run, too, and one evaluation; its bar is "
    f"{100 * SHARE_BAR:.0f} % of the run and {BEYOND_BAR} s.",
    cells,
    measure,
    (
        ("task", lambda row: row["task"] + (", noisy" if row.get("noisy") else "")),
        ("method", lambda row: row["method"] or "its own"),
        ("pixels", "{size}²"),
        ("evaluations", "{evaluations}"),
        ("planned", off("evaluations")),
        ("seconds", "{seconds:.2f}"),
        ("planned", off("seconds")),
        ("within the bar", lambda row: verdict(abs(row["planned seconds"] / row["seconds"] - 1), PLAN_BAR)),
        ("planning, s", "{planning:.2f}"),
        ("the next, s", timed(lambda row: f"{row['planning the next']:.2f}")),
        ("beyond, s", timed(lambda row: f"{beyond(row):.2f}")),
        ("of the run", timed(lambda row: f"{100 * beyond(row) / row['seconds']:.0f} %")),
        ("within the bar", timed(lambda row: verdict(beyond(row), min(SHARE_BAR * row["seconds"], BEYOND_BAR)))),
        ("peak, MB", lambda row: f"{row['peak'] / 1e6:.0f}"),
        ("planned", off("peak")),
    ),
)
