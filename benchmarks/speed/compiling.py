"""What compiling saves on this CPU, and what it takes: one answer of the bundled prior, by size and arithmetic.

    OMP_NUM_THREADS=1 python -m benchmarks speed-compiling [--sides 256 512 1024]

Processor time, the least of five answers; with one thread it is the time a quiet machine takes. Every size is
compiled anew; pieces kept from an earlier process (TORCHINDUCTOR_CACHE_DIR) shorten that.
"""

from __future__ import annotations

from functools import partial
from itertools import product

import torch

from benchmarks.harness import arguments, markdown
from benchmarks.speed.timing import least
from restore import Restorer
from restore.priors.views.compiled import runs_compiled, with_compiled_networks


@torch.no_grad()
def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    rows = []
    for dtype, side in product(("bfloat16", "float32"), parser.parse_args().sides):
        prior = Restorer.from_pretrained("photo", device="cpu", dtype=dtype).prior
        torch.compiler.reset()
        twin = with_compiled_networks(prior)
        x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        prior(x, 0.3)
        plain, first = least(partial(prior, x, 0.3), 5), least(partial(twin, x, 0.3), 1)
        assert runs_compiled(twin), "the network could not be compiled"
        fast = least(partial(twin, x, 0.3), 5)
        saved = 100 * (1 - fast / plain)
        rows.append([dtype, side, f"{plain:.3f} s", f"{fast:.3f} s", f"{saved:.0f} %", f"{first:.1f} s"])
    print(markdown(("arithmetic", "side", "as it is", "compiled", "saved", "first answer"), rows))
