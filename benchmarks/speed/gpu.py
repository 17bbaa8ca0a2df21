"""Pictures a second on a GPU, beside the bare network; nothing where there is none."""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.harness import verdict
from benchmarks.pictures import photograph, tensor
from benchmarks.speed.engine import lost
from benchmarks.speed.sections import Cell, Found, Section, Setting
from benchmarks.speed.timing import Bare, in_turns, middle, network_of, ratio
from restore import Restorer
from restore.guidance import DDNM
from restore.operators import Mask
from restore.planning.plan import make_plan
from restore.problem import Problem
from restore.solving import solver

STEPS, BAR = 20, 0.95
BATCH = {256: 16, 512: 4, 1024: 1}  # Pictures that go through together, as many pixels at each size.


def measure(setting: Setting, cell: Cell) -> Found:
    size, count = cell["size"], BATCH[cell["size"]]
    restorer = Restorer.from_pretrained("photo", device="cuda", dtype=cell["dtype"])
    if cell["compiled"]:
        network_of(restorer.prior).compile()  # In place: the prior calls it, and so does `Bare`.
    pixels = tensor(photograph(setting.data, size, size))
    keep = torch.from_numpy(~lost(size)[None, None])
    problem = Problem(pixels * keep, Mask(keep), 0.0, tuple(pixels.shape))
    names = tuple(map(str, range(count)))
    plan = partial(make_plan, problem, restorer.prior, DDNM(), steps=STEPS, names=names, device=restorer.placement.device)
    bare = Bare.of(restorer.prior, (count, 3, size, size), restorer.placement.device)
    works = lambda: list(solver.run([plan()], 0.0, 0)), partial(bare.forwards, STEPS)
    in_turns(works, 1)  # Warms up, and compiles.
    wholes, bares = in_turns(works, 5)
    return {"pictures": count / middle(wholes), "share": 1 / ratio(wholes, bares)}


GPU = Section(
    "gpu",
    f"### On a GPU\n\n`ddnm` of {STEPS} transitions; "
    + ", ".join(f"{count} pictures of {size}²" for size, count in BATCH.items())
    + " together.",
    lambda _: [
        {"size": size, "dtype": dtype, "compiled": compiled}
        for size in (BATCH if torch.cuda.is_available() else ())
        for dtype in ("bfloat16", "float32")
        for compiled in (False, True)
    ],
    measure,
    (
        ("pixels", "{size}²"),
        ("arithmetic", "{dtype}"),
        ("compiled", lambda row: "yes" if row["compiled"] else "no"),
        ("pictures a second", "{pictures:.1f}"),
        ("share of the bare network", "{share:.3f}"),
        (f"at least {BAR}", lambda row: verdict(row["share"], BAR, least=True)),
    ),
)
