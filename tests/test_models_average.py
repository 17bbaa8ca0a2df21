"""`restore models average`: the mean of weights, and of nothing that has no mean."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toys import OWN, Command, files

from restore.priors.loaders import folder


def parse(place: Path, name: str, seed: int, config: dict[str, Any] = OWN, *, spoilt: bool = False) -> dict[str, torch.Tensor]:
    """Writes a model folder with random weights; returns them."""
    torch.manual_seed(seed)
    prior = folder.build(config)
    with torch.no_grad():
        for weight in prior.parameters():
            weight.normal_()
        if spoilt:
            weight.fill_(float("nan"))
    folder.save(place / name, config, prior, "", dtype=torch.float32)
    return load_file(place / name / folder.WEIGHTS)


def other(part: str, **changed: Any) -> dict[str, Any]:
    config = copy.deepcopy(OWN)
    config[part].update(changed)
    return config


def test_every_weight_is_the_mean(place: Path, restore: Command) -> None:
    parts = [parse(place, name, seed) for seed, name in enumerate("abc")]
    ran = restore("models", "average", "a", "b", "c", "-o", "out", "--dtype", "float32")
    assert (ran.code, ran.out) == (0, "out\n")
    assert files(place / "out") == ["README.md", "config.json", "model.safetensors"]
    assert json.loads((place / "out" / "config.json").read_text()) == OWN
    found = load_file(place / "out" / folder.WEIGHTS)
    assert found.keys() == parts[0].keys()
    for name, weight in found.items():
        wanted = sum(part[name].double() for part in parts) / 3
        torch.testing.assert_close(weight.double(), wanted, atol=1e-7, rtol=1e-6)
    assert "from: a, b, c" in restore("models", "info", "out").out
    assert restore("models", "verify", "out").out.startswith("out: ok, weights ")


def test_a_model_named_twice_counts_twice(place: Path, restore: Command) -> None:
    a, b = (parse(place, name, seed) for seed, name in enumerate("ab"))
    restore("models", "average", "a", "a", "b", "-o", "out", "--dtype", "float32")
    for name, weight in load_file(place / "out" / folder.WEIGHTS).items():
        torch.testing.assert_close(weight, (2 * a[name] + b[name]) / 3, atol=1e-6, rtol=1e-6)


def test_settings_that_one_leaves_to_their_defaults_are_no_difference(place: Path, restore: Command) -> None:
    parse(place, "a", 0)
    parse(place, "b", 1, other("prior", sigma_min=0.002))
    assert restore("models", "average", "a", "b", "-o", "out").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["a"], 2, "a mean needs two models or more"),
        (["a", "absent"], 3, "absent: no config.json"),
        (["a", "wider"], 3, "wider is another model than a: network differ"),
        (["a", "scaled"], 3, "scaled is another model than a: prior differ"),
        (["a", "spoilt"], 3, "not finite"),
        (["a", "photo"], 3, "network differ"),
    ],
)
def test_what_has_no_mean_is_one_line_and_leaves_nothing(
    place: Path, restore: Command, words: list[str], code: int, said: str
) -> None:
    parse(place, "a", 0)
    parse(place, "wider", 1, other("network", widths=[8, 24]))
    parse(place, "scaled", 2, other("prior", sigma_data=1.0))
    parse(place, "spoilt", 3, spoilt=True)
    before = files(place)
    ran = restore("models", "average", *words, "-o", "out")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.count("\n") == 1
    assert said in ran.err
    assert files(place) == before


def test_what_is_there_stays(place: Path, restore: Command) -> None:
    parse(place, "a", 0)
    parse(place, "b", 1)
    (place / "other").mkdir()
    (place / "other" / "file").touch()
    for words in (["b"], ["other"], ["other", "--overwrite"]):
        assert restore("models", "average", "a", "b", "-o", *words).code == 2
    assert files(place / "other") == ["file"]
    assert restore("models", "average", "a", "b", "-o", "b", "--overwrite").code == 0
