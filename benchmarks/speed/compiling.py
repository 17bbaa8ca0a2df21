"""What compiling saves on this CPU, and what it takes: one answer of the bundled prior, by size and arithmetic.

    OMP_NUM_THREADS=1 python -m benchmarks speed-compiling [--sides 256 512 1024]

Processor time, the least of five answers, so that other work on the machine hardly shows; with one thread it is the time a
quiet machine takes. Every size is compiled anew; pieces kept from an earlier process (TORCHINDUCTOR_CACHE_DIR) shorten that.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.harness import arguments
from restore import Restorer
from restore.priors.views.compiled import runs_compiled, with_compiled_networks


def spent(work: Callable[[], object], rounds: int) -> float:
    """Seconds of processor time of the shortest round."""
    found = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
    return min(found)


@torch.no_grad()
def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    given = parser.parse_args()
    print("| arithmetic | side | as it is | compiled | saved | first answer |\n|---|---|---|---|---|---|")
    for dtype in ("bfloat16", "float32"):
        prior = Restorer.from_pretrained("photo", device="cpu", dtype=dtype).prior
        for side in given.sides:
            torch.compiler.reset()
            twin = with_compiled_networks(prior)
            x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
            prior(x, 0.3)
            plain = spent(lambda prior=prior, x=x: prior(x, 0.3), 5)
            first = spent(lambda twin=twin, x=x: twin(x, 0.3), 1)
            assert runs_compiled(twin), "the network could not be compiled"
            fast = spent(lambda twin=twin, x=x: twin(x, 0.3), 5)
            saved = 100 * (1 - fast / plain)
            print(f"| {dtype} | {side} | {plain:.3f} s | {fast:.3f} s | {saved:.0f} % | {first:.1f} s |", flush=True)
