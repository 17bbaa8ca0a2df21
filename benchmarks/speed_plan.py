"""What `--plan` says against what happens, method by method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

import numpy as np
from speed_engine import SIGMA
from speed_large import PLAN_BAR, against
from speed_pictures import noisy, photograph, write
from speed_sections import Cell, Found, Section, Setting, command, markdown
from speed_timing import took, watched

METHODS = {"pnp": 10, "repaint": 10, "denoising-samples": 10, "pigdm": 5, "mmps": 3}


def cells(setting: Setting) -> Iterator[Cell]:
    for method in ("pnp", "pigdm") if setting.quick else METHODS:
        yield {"method": method, "steps": METHODS[method], "size": 256 if setting.quick else 512, "tile": None}
    if not setting.quick:
        yield {"method": "denoising-samples", "steps": 5, "size": 1024, "tile": 512}
        yield {"method": "pigdm", "steps": 2, "size": 768, "tile": 512}


def measure(setting: Setting, cell: Cell) -> Found:
    from restore import Restorer

    size, steps = cell["size"], cell["steps"]
    restorer = Restorer(setting.restorer.prior, placement=setting.restorer.placement, tile=cell["tile"])
    words = {"guidance": cell["method"], "steps": steps}
    flags = ["--guidance", cell["method"], "--steps", steps]
    picture, path = photograph(setting.data, size, size), setting.work / "planned.png"
    if cell["method"].startswith("denoising"):
        task, picture, words = "denoise", noisy(picture, SIGMA), {**words, "sigma": SIGMA}
        flags += ["--sigma", SIGMA]
    else:
        task, mask = "inpaint", np.random.default_rng(0).random((size, size)) < 0.8
        write(setting.work / "planned-mask.png", np.uint8(255) * mask)
        words["mask"] = mask
        flags += ["--mask", setting.work / "planned-mask.png"]
    write(path, picture)
    flags += ["--tile", cell["tile"]] if cell["tile"] else []
    run, plan = partial(restorer, task, picture, **words), partial(restorer.plan, task, picture, **words)
    with watched(restorer.prior) as seen:
        run()
    said = plan()
    deviations, seconds = [], []
    for _ in range(2):
        before, taken, after = plan().seconds, took(run).wall, plan().seconds
        seconds.append(taken)
        deviations.append((before + after) / 2 / taken)
    words = [*map(str, (task, path, *flags))]
    planned = command(setting, *words, "--plan")["out"]["estimate"]
    ran = command(setting, *words, "-o", setting.work / "out.png", "--overwrite")
    return {
        "evaluations": seen.pictures,
        "planned evaluations": said.evaluations,
        "seconds": median(seconds),
        "planned of seconds": median(deviations),
        "peak": ran["peak"],
        "planned peak": planned["peak"],
    }


def table(rows: Sequence[tuple[Cell, Found]]) -> str:
    heads = ("method", "transitions", "pixels", "evaluations", "planned", "seconds", "planned", "peak, MB", "planned")
    return markdown(
        heads,
        [
            [
                *(cell["method"], str(cell["steps"]), f"{cell['size']}²" + (f" in {cell['tile']}²" if cell["tile"] else "")),
                *(str(found["evaluations"]), against(found["planned evaluations"], found["evaluations"])),
                *(f"{found['seconds']:.2f}", against(found["planned of seconds"], 1.0)),
                *(f"{found['peak'] / 1e6:.0f}", against(found["planned peak"], found["peak"])),
            ]
            for cell, found in rows
        ],
    )


PLAN = Section(
    "plan",
    "### Plans against what happened\n\n"
    f"How far `--plan` was off; the bar is {100 * PLAN_BAR:.0f} %. Evaluations are counted at the network, seconds taken in "
    "turns with plans in one process, peaks those of the command.",
    cells,
    measure,
    table,
)
