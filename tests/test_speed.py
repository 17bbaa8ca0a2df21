"""What the speed benchmark computes from what it measures, and what it measures on."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from photographs import photo

from benchmarks.harness import verdict

ROOT = Path(__file__).parent.parent
SAMPLES = Path(__file__).parent.parent / "samples" / "photos"


@pytest.fixture(scope="module")
def modules():
    """The benchmark's modules by name; none that needs other libraries is asked for."""
    return lambda name: importlib.import_module("benchmarks.pictures" if name == "pictures" else f"benchmarks.speed.{name}")


def test_ratios_are_those_of_neighbours_in_time(modules):
    took, ratio = modules("timing").Took, modules("timing").ratio
    ours, theirs = [took(1, 2), took(10, 2), took(3, 2)], [took(2, 4), took(20, 4), took(6, 4)]
    assert ratio(ours, theirs) == ratio(ours, theirs, "process") == 0.5


def test_the_bare_network_is_asked_as_the_prior_asks_it_and_counted(modules):
    timing, prior = modules("timing"), photo().prior
    x, sigma = torch.zeros(2, 3, 32, 48), torch.tensor(1.0)
    bare = timing.Bare.of(prior, tuple(x.shape), torch.device("cpu"))
    assert bare.network is prior.network
    assert bare.given[0].shape == x.shape
    assert bare.autocast == (None if prior.dtype == torch.float32 else prior.dtype)
    with timing.watched(prior) as seen:
        bare.forwards(3)
        bare.products(2, 5)
    assert (seen.pictures, seen.products, len(seen.spans)) == (2 * 5, 5, 5)
    with timing.watched(prior) as seen, torch.no_grad():
        prior(x, sigma)
    assert (seen.pictures, seen.products) == (2, 0)


@pytest.mark.parametrize(("height", "width"), [(300, 200), (1300, 900)])
def test_photographs_of_any_size_are_cut_or_mirrored_on(modules, height, width):
    picture = modules("pictures").photograph(SAMPLES, height, width)
    assert picture.shape == (height, width, 3)
    whole = cv2.imread(str(sorted(SAMPLES.iterdir())[0]))[..., ::-1]
    rows = min(height, whole.shape[0])
    left = max(0, whole.shape[1] - width) // 2
    top = max(0, whole.shape[0] - height) // 2
    assert np.array_equal(picture[:rows, : min(width, whole.shape[1])], whole[top : top + rows, left : left + width])
    if height > whole.shape[0]:
        assert np.array_equal(picture[whole.shape[0]], picture[whole.shape[0] - 1])


def test_a_scratch_goes_from_end_to_end_in_one_piece(modules):
    mask = modules("pictures").scratch(300, 400, (0, 0), (299, 399), thick=9)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[0, 0] == mask[299, 399] == 255
    assert cv2.connectedComponents(mask)[0] == 2
    assert 9 * 400 < (mask > 0).sum() < 9 * 900


def test_a_step_across_a_border_shows_as_a_seam(modules):
    whole = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8) // 2
    parts = whole.copy()
    assert modules("engine").seam(parts, whole, [32]) == 0
    parts[32:] += 60
    assert modules("engine").seam(parts, whole, [32]) > 0.1
    assert modules("engine").seam(parts, whole, [16]) == 0


def test_verdicts_and_deviations(modules):
    against = modules("large").against
    assert [verdict(1.05, 1.05), verdict(1.06, 1.05), verdict(50, 50, least=True)] == ["yes", "**no**", "yes"]
    assert [against(1.2, 1.0), against(0.7, 1.0)] == ["+20 %", "**-30 %**"]


def test_promises_of_memory_follow_from_the_command(modules):
    bar = modules("large").memory_bar
    assert bar({"what": "denoise", "flags": ["--max-memory", "3GB"]}) == 3e9
    assert bar({"what": "denoise", "flags": []}) == 2.5e9
    assert bar({"what": "inpaint, a local scratch", "flags": []}) is None


def test_a_child_reports_its_own_peak_whatever_its_parent_holds(tmp_path):
    held = np.ones(2**26)  # Half a gigabyte.
    report = tmp_path / "report.json"
    command = [sys.executable, "-S", str(ROOT / "benchmarks" / "speed" / "child.py"), str(report)]
    subprocess.run([*command, sys.executable, "-S", "-c", "x = b'1' * 2**27"], check=True)
    found = json.loads(report.read_text())
    assert 2**27 < found["peak"] < 2**27 + 2**26 < held.nbytes
    assert found["wall"] > 0
    assert subprocess.run([*command, sys.executable, "-S", "-c", "raise SystemExit(3)"]).returncode == 3


def test_tables_are_made_of_results(tmp_path):
    on = {"cpu": "one", "cores": 2, "threads": 2, "gpu": None, "torch": "2", "dtype": "bfloat16", "prior": "0123456789abcdef"}
    large = {"wall": 50.0, "process": 90.0, "peak": 512e6, "planned peak": 512e6, "planned seconds": 30.0, "seconds": 20.0}
    large |= {"evaluations": 2, "windows": [[2, 128, 96]], "psnr": 30.0}
    rows = [
        {"section": "large", "cell": {"what": "denoise", "megapixels": 12, "flags": []}, "found": large, "on": on},
        {"section": "gpu", "cell": {"size": 256, "dtype": "bfloat16", "compiled": True}, "on": on | {"gpu": "a GPU"}},
        {"section": "gpu", "cell": {"size": 512, "dtype": "float32", "compiled": False}, "on": on},
    ]
    for row in rows[1:]:
        row["found"] = {"pictures": 40.0, "share": 0.95}
    results, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page.write_text("before\n<!-- tables -->\nold\n<!-- end of tables -->\nafter\n")
    command = [sys.executable, "-m", "benchmarks", "speed", "--results", str(results), "--table", "--into", str(page)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    rest = "; torch 2, network in bfloat16, prior 0123456789ab: "
    assert f"Measured on one, 2 cores of which 2 were used{rest}large, gpu.\n" in text
    assert f"Measured on one, 2 cores of which 2 were used, a GPU{rest}gpu.\n" in text
    assert "| denoise | 12 | 2 of 128x96 | 2 | 30.0 | 50.0 | 90.0 | - | - | 0.51 | 2.5 | yes | +0 % | **+50 %** |" in text
    assert "| 256² | bfloat16 | yes | 40.0 | 0.950 | yes |\n| 512² | float32 | no |" in text
