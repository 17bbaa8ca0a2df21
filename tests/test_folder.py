"""Model folders: what is written, what is refused, and what is packed into the distribution."""

from __future__ import annotations

import json
import pickle
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toys import Command, files

from restore import Restorer
from restore.errors import PriorError
from restore.priors.loaders import folder

if sys.version_info >= (3, 11):
    import tomllib

ROOT = Path(__file__).parent.parent
CONFIG = {
    "family": "edm",
    "network": {"type": "residual-unet", "channels": 3, "widths": [8, 16], "blocks": 1, "patch": 2},
    "prior": {"sigma_data": 0.5},
}


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    folder.save(tmp_path / "model", CONFIG, folder.build(CONFIG), "# a card\n")
    return tmp_path / "model"


def test_a_folder_is_a_config_half_precision_weights_and_a_card(model):
    assert files(model) == ["README.md", "config.json", "model.safetensors"]
    assert json.loads((model / "config.json").read_text()) == CONFIG
    with safe_open(model / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118
        assert weights.metadata() == {"format": "pt"}


def test_weights_may_be_kept_in_full(tmp_path):
    prior = folder.build(CONFIG)
    folder.save(tmp_path, CONFIG, prior, "", dtype=torch.float32)
    again = folder.load(tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in prior.state_dict().items())


def test_a_loaded_prior_is_ready_and_knows_its_network(model):
    prior = folder.load(model)
    assert not prior.training
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    assert (prior.channels, prior.multiple_of) == (3, 4)
    assert prior.context == prior.network.context > 0


def test_context_is_as_far_as_an_answer_looks(model):
    prior = folder.load(model)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(0)).abs_()
    side = 4 * (2 * prior.context // 4 + 6)
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    middle = side // 2
    other[..., middle, middle] += 1
    moved = ((prior(x, 0.5) - prior(other, 0.5)).abs() > 0).any(dim=1)[0].nonzero()
    assert (moved - middle).abs().max() <= prior.context
    assert (moved - middle).abs().max() > prior.context // 3


def test_restorer_loads_a_folder_by_path_and_by_name(model, monkeypatch):
    picture = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0))
    by_path = Restorer.from_pretrained(str(model), device="cpu", dtype="float32")
    monkeypatch.chdir(model.parent)
    by_name = Restorer.from_pretrained("./model", device="cpu", dtype="float32")
    assert by_path.prior_hash == by_name.prior_hash
    assert torch.equal(by_path("denoise", picture, sigma=10).image, by_name("denoise", picture, sigma=10).image)


class Harmful:
    """What a pickle can do: make a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def pickled(model):
    (model / "model.safetensors").write_bytes(pickle.dumps(Harmful(model / "harm")))


def truncated(model):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def config(**changes):
    def write(model):
        (model / "config.json").write_text(json.dumps({**CONFIG, **changes}))

    return write


def value(number, dtype=torch.float16):
    """One weight is this."""

    def write(model):
        weights = load_file(model / "model.safetensors")
        name = sorted(weights)[0]
        weights[name].flatten()[0] = number
        weights[name] = weights[name].to(dtype)
        save_file(weights, model / "model.safetensors")

    return write


def scalar(model):
    weights = load_file(model / "model.safetensors")
    weights[sorted(weights)[0]] = torch.zeros(())
    save_file(weights, model / "model.safetensors")


def prior(**changes):
    return config(prior=changes)


NETWORK = CONFIG["network"]
BROKEN = [
    ("billions of blocks", config(network={**NETWORK, "blocks": 10**9})),
    ("more blocks than tensors", config(network={**NETWORK, "blocks": 200})),
    ("widths of a million", config(network={**NETWORK, "widths": [10**6, 10**6]})),
    ("widths within the schema", config(network={**NETWORK, "widths": [2**16, 2**16]})),
    ("no widths", config(network={**NETWORK, "widths": []})),
    ("blocks of nothing", config(network={**NETWORK, "blocks": []})),
    ("a flag as a number", config(network={**NETWORK, "patch": True})),
    ("outputs of no family", config(network={**NETWORK, "out_channels": 6})),
    ("sigma_data of 0", prior(sigma_data=0)),
    ("sigma_data of -1", prior(sigma_data=-1)),
    ("sigma_data of NaN", prior(sigma_data=float("nan"))),
    ("sigma_start of NaN", prior(sigma_start=float("nan"))),
    ("sigma_start beyond the range", prior(sigma_start=100)),
    ("sigma_max below the default sigma_min", prior(sigma_max=0.0015)),
    ("VE from -1", config(family="ve", prior={"sigma_min": -1})),
    ("a chain of a million million", config(family="ddpm", prior={"steps": 10**12})),
    ("a table that rises", config(family="ddpm", prior={"table": [0.1, 0.9]})),
    ("code", config(auto_map={"AutoModel": "code.Net"})),
    ("misspelt part", config(pior={})),
    ("a deep config", lambda model: (model / "config.json").write_text("[" * 100_000 + "]" * 100_000)),
    ("an empty config", lambda model: (model / "config.json").write_text("")),
    ("NaN weights", value(float("nan"))),
    ("infinite weights", value(float("inf"))),
    ("huge weights", value(6e4)),
    ("whole weights", value(1, torch.int32)),
    ("a weight without dimensions", scalar),
    ("no weights", lambda model: (model / "model.safetensors").unlink()),
    ("no config", lambda model: (model / "config.json").unlink()),
    ("truncated weights", truncated),
    ("empty weights", lambda model: (model / "model.safetensors").write_bytes(b"")),
    ("pickle", pickled),
    ("wider network", config(network={**NETWORK, "widths": [16, 16]})),
    ("deeper network", config(network={**NETWORK, "widths": [8, 16, 32]})),
    ("gray network", config(network={**NETWORK, "channels": 1})),
    ("half a config", lambda model: (model / "config.json").write_text('{"family": "edm", ')),
    ("no family", config(family=None)),
    ("unknown network word", config(network={**NETWORK, "depth": 3})),
    ("unknown prior word", config(prior={"sigma_date": 0.5})),
    ("widths in words", config(network={**NETWORK, "widths": "wide"})),
    ("a list", lambda model: (model / "config.json").write_text("[1, 2]")),
    ("network is a word", config(network="residual-unet")),
    ("binary config", lambda model: (model / "config.json").write_bytes(b"\xff\xfe\x00\x81")),
]


@pytest.mark.parametrize(
    "spoil",
    [pytest.param(spoil, id=name) for name, spoil in BROKEN],
)
def test_a_broken_folder_is_one_line_about_that_folder(model, spoil):
    spoil(model)
    with pytest.raises(PriorError) as caught:
        folder.load(model)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.exit_code == 3
    assert not (model / "harm").exists()


@pytest.mark.parametrize("spoil", [truncated, pickled])
def test_the_command_says_so_and_ends_with_3(model, restore: Command, place: Path, spoil):
    spoil(model)
    ran = restore("denoise", "img.png", "--sigma", "5", "--prior", str(model))
    assert (ran.code, ran.out) == (3, "")
    (line,) = ran.err.splitlines()
    assert line.startswith(f"error: {model}: ")
    assert not (model / "harm").exists()
    assert files(place) == ["img.png"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000 + b"]" * 100_000])
def test_the_card_of_a_broken_model_is_an_error_of_the_model(model, restore: Command, content):
    (model / "config.json").write_bytes(content)
    ran = restore("models", "info", str(model))
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


# The distribution


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_every_package_and_the_bundled_priors_are_packed():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    homes = {"restore": ROOT / "restore", "restore_plugins": ROOT / told["package-dir"]["restore_plugins"]}
    packages = set()
    for name, home in homes.items():
        for path in home.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                packages.add(".".join([name, *path.relative_to(home).parent.parts]))
    assert packages == set(told["packages"])

    data = told["package-data"]
    for name in packages:
        home = homes[name.split(".")[0]].joinpath(*name.split(".")[1:])
        for path in home.iterdir():
            if path.is_file() and path.suffix != ".py":
                assert any(fnmatch(path.name, pattern) for pattern in data.get(name, [])), f"{path.name} is not packed"


def test_the_bundled_prior_is_whole_small_and_has_a_card():
    from restore.priors.loaders.load import BUNDLED

    for home in BUNDLED.values():
        assert {folder.CONFIG, folder.WEIGHTS} <= set(files(home))
        assert (home / folder.WEIGHTS).stat().st_size < 20e6
        prior = folder.load(home)
        x = torch.zeros(1, prior.channels, 32, 32)
        assert bool(prior(x, 0.5).isfinite().all())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_lower_bounds_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(word for extra in project["optional-dependencies"].values() for word in extra)]
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", word) for word in wanted), wanted
