"""Pictures a second on a GPU, beside the bare network; nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from benchmarks.harness import markdown, verdict
from benchmarks.pictures import photograph
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import Bare, in_turns, middle, network_of, ratio
from restore import Restorer, solver
from restore.guidance import DDNM
from restore.operators import Mask
from restore.planning.plan import make_plan
from restore.problem import Problem

STEPS, BAR = 20, 0.95
BATCH = {256: 16, 512: 4, 1024: 1}  # Pictures that go through together, as many pixels at each size.


def cells(setting: Setting) -> Iterator[Cell]:
    if not torch.cuda.is_available():
        return
    for size in (256,) if setting.quick else BATCH:
        for dtype in ("bfloat16", "float32"):
            yield from ({"size": size, "dtype": dtype, "compiled": compiled} for compiled in (False, True))


def measure(setting: Setting, cell: Cell) -> Found:
    size, count = cell["size"], BATCH[cell["size"]]
    restorer = Restorer.from_pretrained("photo", device="cuda", dtype=cell["dtype"])
    if cell["compiled"]:
        network_of(restorer.prior).compile()  # In place: the prior calls it, and so does `Bare`.
    pixels = torch.from_numpy(photograph(setting.data, size, size)).permute(2, 0, 1)[None] / 127.5 - 1
    keep = torch.from_numpy(np.random.default_rng(0).random((1, 1, size, size)) >= 0.8)
    problem = Problem(pixels * keep, Mask(keep), 0.0, tuple(pixels.shape))
    run: Callable[[], object] = partial(_run, restorer, problem, [str(index) for index in range(count)])
    bare = Bare.of(restorer.prior, (count, 3, size, size), restorer.placement.device)
    alone = partial(bare.forwards, STEPS)
    run(), alone()  # Warms up, and compiles.
    wholes, bares = in_turns([run, alone], 5)
    return {"pictures": count / middle(wholes), "share": 1 / ratio(wholes, bares)}


def _run(restorer: Restorer, problem: Problem, names: Sequence[str]) -> None:
    method = DDNM()
    plan = make_plan(problem, restorer.prior, method, steps=STEPS, names=tuple(names), device=restorer.placement.device)
    for _ in solver.run([plan], 0.0, 0):
        pass


def table(rows: Sequence[tuple[Cell, Found]]) -> str:
    heads = ("pixels", "arithmetic", "compiled", "pictures a second", "share of the bare network", f"at least {BAR}")
    return markdown(
        heads,
        [
            [
                *(f"{cell['size']}²", cell["dtype"], "yes" if cell["compiled"] else "no", f"{found['pictures']:.1f}"),
                *(f"{found['share']:.3f}", verdict(found["share"], BAR, least=True)),
            ]
            for cell, found in rows
        ],
    )


GPU = Section(
    "gpu",
    f"### On a GPU\n\n`ddnm` of {STEPS} transitions; "
    + ", ".join(f"{count} pictures of {size}²" for size, count in BATCH.items())
    + " together.",
    cells,
    measure,
    table,
)
