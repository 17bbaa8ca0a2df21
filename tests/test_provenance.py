"""What a result remembers of how it was made."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from restore.results import provenance


def test_the_hash_is_of_weights_names_and_shapes():
    def parse(seed=0, bias=True, rows=3):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, rows, bias=bias))

    one = provenance.weights_hash(parse())
    assert len(one) == 16
    assert int(one, 16) >= 0
    assert one == provenance.weights_hash(parse())
    assert len({one, *(provenance.weights_hash(parse(**other)) for other in ({"seed": 1}, {"bias": False}, {"rows": 2}))}) == 4
    changed = parse()
    with torch.no_grad():
        changed[0].weight[2, 3] += 1e-6
    assert provenance.weights_hash(changed) != one


def test_the_hash_does_not_depend_on_how_weights_lie_in_memory():
    convolution = nn.Conv2d(3, 4, 3)
    before = provenance.weights_hash(convolution)
    assert provenance.weights_hash(convolution.to(memory_format=torch.channels_last)) == before


def test_versions_name_what_a_result_depends_on():
    found = provenance.versions()
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert found["python"].count(".") == 2
    assert found["diffusion-restore"]


def test_options_become_json():
    @dataclass
    class Options:
        mask: Any = None
        hints: Any = None
        folder: Any = Path("a/b.png")
        scale: int = 2
        sigma: float = 0.5
        invert: bool = True
        kinds: Any = field(default_factory=lambda: {"a": 1})

    found = provenance.plain(Options(mask=np.zeros((2, 2)), hints=torch.zeros(1)))
    assert found == {
        "mask": "<ndarray>",
        "hints": "<Tensor>",
        "folder": str(Path("a/b.png")),
        "scale": 2,
        "sigma": 0.5,
        "invert": True,
        "kinds": "<dict>",
    }
    assert json.loads(json.dumps(found)) == found


def test_weights_of_any_dtype_have_a_hash():
    hashes = set()
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        module = torch.nn.Linear(3, 2).to(dtype)
        module.register_buffer("count", torch.tensor(3))
        hashes.add(provenance.weights_hash(module))
    assert len(hashes) == 4
