"""Sizes in words, what is free, and what an evaluation of a prior holds."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from photographs import Blurring, photo
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from restore import Restorer
from restore.device import memory
from restore.errors import OutOfMemoryError, UsageError
from restore.planning.activation_memory import Live, _history, evaluation
from restore.priors import EDM, GrayView

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ("500MB", 500 * 10**6),
        ("2GB", 2 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("2 g", 2 * 10**9),
        (".5gib", 2**29),
        ("900k", 900_000),
        (12345, 12345),
    ],
)
def test_sizes_are_read(size, wanted):
    assert memory.parse(size) == wanted


@pytest.mark.parametrize("size", ["", "2", "GB", "-1GB", "0MB", "1e9", "2GBs", "two GB", "1.2.3GB", "nanGB", 0, -5, True])
def test_other_sizes_are_refused(size):
    with pytest.raises(UsageError, match="is no size of memory; give a number and a unit, such as 500MB, 2GB or"):
        memory.parse(size)


def test_sizes_are_spelt():
    assert [memory.spell(size) for size in (442368, 3.4e6, 999e6, 1e9, 12.34e9)] == [
        "442 kB",
        "3 MB",
        "999 MB",
        "1.0 GB",
        "12.3 GB",
    ]
    assert [memory.spell(size, up=True) for size in (3.4e6, 3e6, 1.01e9, 12.3e9)] == ["4 MB", "3 MB", "1.1 GB", "12.3 GB"]


def test_what_is_taken_is_seen():
    before = memory.used(CPU)
    # Not a tensor, which may lie in memory that earlier tests gave back to the allocator alone.
    with mmap.mmap(-1, 50_000_000) as held:
        for place in range(0, len(held), mmap.PAGESIZE):
            held[place] = 1
        assert memory.used(CPU) - before == pytest.approx(len(held), rel=0.1)
        assert 0 < memory.room(CPU) < memory.free(CPU)
        assert memory.room(CPU, bound=before) <= before - memory.used(CPU) < 0


def test_a_containers_bound_counts(tmp_path):
    def bound(text, current, inactive):
        (tmp_path / "memory.max").write_text(text)
        (tmp_path / "memory.current").write_text(current)
        (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")
        return memory._of_container(tmp_path)

    assert bound("1000\n", "700\n", 100) == 400
    assert bound("1000\n", "1200\n", 0) == 0
    assert bound("max\n", "700\n", 100) > 2**60
    assert memory._of_container(tmp_path / "none") > 2**60


def test_live_bytes_are_those_of_tensors_that_live():
    with Live() as live:
        a = torch.zeros(1000)
        b = a.view(10, 100)[2:]  # No bytes of its own.
        c = a + 1
        assert live.now == 8000
        del a, b
        assert live.now == 4000
        c.add_(1)
        d = c * 2
        del c, d
    assert (live.now, live.peak) == (0, 8000)


@pytest.mark.parametrize("graph", [False, True])
def test_fake_tensors_hold_what_real_ones_do(graph):
    prior = photo().prior
    for shape in ((1, 128, 128), (2, 64, 96)):
        foretold = evaluation(prior, *shape, graph=graph, device=CPU)
        batch, height, width = shape
        with torch.set_grad_enabled(graph), Live() as live:
            x = torch.randn(batch, 3, height, width).requires_grad_(graph)
            answer = prior(x, torch.tensor(1.0))
            if graph:
                torch.autograd.grad(answer, x, torch.ones_like(answer))
        assert foretold == pytest.approx(live.peak, rel=0.01)


def test_a_graph_holds_what_layers_keep():
    class Deep(nn.Module):
        def forward(self, x, level):
            for _ in range(40):
                x = x.tanh()
            return x

    prior = EDM(Deep())
    one = 3 * 64 * 64 * 4
    without, within = (evaluation(prior, 1, 64, 64, graph=graph, device=CPU) for graph in (False, True))
    assert without < 8 * one
    assert 40 * one < within < 50 * one


def test_a_prior_that_asks_for_content_is_measured_on_a_small_picture():
    class Curious(Blurring):
        def denoise(self, x, sigma):
            return super().denoise(x, sigma) if bool((x.abs() < 10).all()) else x

    known, asked = (evaluation(prior, 2, 300, 200, graph=False, device=CPU) for prior in (Blurring(), Curious()))
    assert asked == pytest.approx(known, rel=0.15)
    assert evaluation(GrayView(Blurring()), 1, 100, 100, graph=False, device=CPU) > 0


def test_a_lack_of_memory_is_told_from_other_errors():
    assert all(map(memory.is_lack_of_memory, (MemoryError(), torch.OutOfMemoryError(), OutOfMemoryError("x"))))
    assert not any(map(memory.is_lack_of_memory, (RuntimeError("shapes"), ValueError("can't allocate memory"))))


MEASURE = """
import sys
import torch
from restore import Restorer
from restore.planning.activation_memory import evaluation

def told(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

side, graph, dtype = int(sys.argv[1]), sys.argv[2] == "True", sys.argv[3]
prior = Restorer.from_pretrained("photo", device="cpu", dtype=dtype).prior
foretold = evaluation(prior, 1, side, side, graph=graph, device=torch.device("cpu"))

def once(side):
    with torch.set_grad_enabled(graph):
        x = torch.zeros(1, 3, side, side).requires_grad_(graph)
        answer = prior(x, 1.0)
        if graph:
            torch.autograd.grad(answer.sum(), x)

once(64)
open("/proc/self/clear_refs", "w").write("5")  # The high-water mark begins anew.
before = told("VmRSS")
once(side)
print(foretold, told("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells what was held at most")
@pytest.mark.parametrize(
    ("side", "graph", "dtype"), [(768, False, "float32"), (512, True, "float32"), (768, False, "bfloat16")]
)
def test_what_is_foretold_is_what_is_held(side, graph, dtype):
    # Every tensor asked of the system and given back to it: what the heap keeps between tensors is not the network's.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", MEASURE, str(side), str(graph), dtype]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    foretold, held = map(int, ran.stdout.split())
    assert foretold == pytest.approx(held, rel=0.25)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_a_convolutional_network_holds_follows_from_small_pictures(dtype, graph):
    prior = Restorer.from_pretrained("photo", device="cpu", dtype=dtype).prior
    for batch, height, width in ((1, 40, 40), (1, 512, 768), (4, 256, 256)):
        found = evaluation(prior, batch, height, width, graph=graph, device=CPU)
        with FakeTensorMode(allow_non_fake_inputs=True):
            counted = max(_history(prior, (batch, 3, height, width), graph, CPU))
        assert found == pytest.approx(counted, rel=1e-3)
