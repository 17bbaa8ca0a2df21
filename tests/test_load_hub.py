"""Priors from the Hub: found, kept, found again without a network, refused in one line; against a server on this machine."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pipelines
import pytest
import torch
from hub import TOKEN, Hub, serve
from PIL import Image
from toys import OWN, picture

from restore import pretrained
from restore.priors.loaders import folder
from restore.results.provenance import weights_hash

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own dependencies warn while they are imported.
    import diffusers

# Loads each name given, or tells why not, and does the same with a token once more for the gated ones.
LOAD = f"""
import json, os, sys
from restore import pretrained
from restore.errors import PriorError
from restore.results.provenance import weights_hash
told = {{}}
for name in sys.argv[1:]:
    if name == "gated/twice":
        os.environ["HF_TOKEN"], name = "{TOKEN}", "gated/ddpm"
    try:
        told[name + (" with a token" if "HF_TOKEN" in os.environ else "")] = weights_hash(pretrained.prior(name))
    except PriorError as error:
        told[name] = str(error)
print(json.dumps(told))
"""
# Then the command is told the last of them.
COMMAND = """
from restore.cli import main
sys.exit(main(["denoise", "img.png", "--prior", sys.argv[-1]]))
"""
# Before that a picture is filled by a prior with text, if it is told, and tried with those that cannot be had.
FILL = """
import contextlib, io, json, transformers  # Which in old versions speaks of a new cache once.
from restore.cli import main
def fill(name):
    words = ["inpaint", "img.png", "--mask", "mask.png", "--mask-grow", "0", "--sigma", "0", "--steps", "2", "--device", "cpu"]
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = main([*words, "--prior", name, "--prompt", "a cat", "-o", "out.png", "-q", "--overwrite"])
    return code, said.getvalue()
print(json.dumps({name: fill(name) for name in ("some/diffusion", "gated/diffusion", "closed/diffusion", "some/nothing")}))
"""
GOOD = ["some/ddpm", "diffusers:some/flat", "some/own", "some/latents", "some/diffusion", "diffusers:some/classes"]
BAD = ["some/nothing", "gated/ddpm", "closed/ddpm", "down/ddpm", "plain/ddpm", "some/network", "some/text"]


class World(NamedTuple):
    """A Hub with models, and what a first process with a network was told of each.

    Attributes:
        told: hash of the weights of a model, or why it was not loaded.
        filled: exit code of the command and what it said, for models with text.
        picture: the file that the command wrote.
    """

    hub: Hub
    models: Path
    told: dict[str, str]
    filled: dict[str, tuple[int, str]]
    picture: bytes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(32,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        layers_per_block=1,
    )
    models = place / "models"
    diffusers.DDPMPipeline(network, diffusers.DDPMScheduler()).save_pretrained(models / "some" / "ddpm")
    shutil.copytree(models / "some" / "ddpm", models / "gated" / "ddpm")
    # As the oldest models lie: all in one folder, weights as a pickle.
    network.save_pretrained(models / "some" / "flat", safe_serialization=False)
    diffusers.DDIMScheduler().save_pretrained(models / "some" / "flat")
    network.save_pretrained(models / "some" / "network")
    pipelines.stable_diffusion(models / "some" / "diffusion")
    pipelines.ldm(models / "some" / "latents")
    pipelines.with_classes(models / "some" / "classes")
    folder.save(models / "some" / "own", OWN, folder.build(OWN), "# a card\n")
    (models / "some" / "text" / "unet").mkdir(parents=True)
    (models / "some" / "text" / "unet" / "config.json").write_text('{"_class_name": "UNet2DConditionModel"}')
    pictures(place)
    with serve(models, place / "home") as hub:
        ran = hub.run(place, "-c", FILL + LOAD, *GOOD, *BAD, "gated/twice")
        assert ran.returncode == 0, ran.stderr
        filled, told = map(json.loads, ran.stdout.splitlines())
        yield World(hub, models, told, filled, (place / "out.png").read_bytes())


def pictures(place: Path) -> None:
    """A picture and a mask of its left half."""
    picture(place / "img.png")
    with Image.open(place / "img.png") as opened:
        mask = Image.new("L", opened.size)
    mask.paste(255, (0, 0, mask.width // 2, mask.height))
    mask.save(place / "mask.png")


@pytest.mark.parametrize("name", [*GOOD, "gated/ddpm with a token"])
def test_what_the_hub_holds_is_what_is_loaded(world: World, name: str) -> None:
    path = world.models / name.removeprefix("diffusers:").removesuffix(" with a token")
    assert world.told[name] == weights_hash(pretrained.prior(str(path)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("some/nothing", "prior some/nothing is not on {endpoint}, or is private; check its name, or set HF_TOKEN to"),
        ("gated/ddpm", "prior gated/ddpm is gated: accept its terms on its page and set HF_TOKEN to a token of yours"),
        ("closed/ddpm", "prior closed/ddpm is gated: accept its terms on its page and set HF_TOKEN to a token of yours"),
        ("down/ddpm", "prior down/ddpm: not in the cache, and {endpoint} returned HTTP status 503; try again later"),
        ("plain/ddpm", "prior plain/ddpm: {endpoint} stopped responding, or is no Hub; check HF_ENDPOINT"),
        ("some/network", "prior some/network: no scheduler config (save it beside"),
        ("some/text", "prior some/text: its network is a UNet2DConditionModel (conditional by cross-attention)"),
    ],
)
def test_what_cannot_be_had_is_one_line(world: World, name: str, said: str) -> None:
    assert world.told[name].startswith(said.format(endpoint=world.hub.endpoint))
    assert "\n" not in world.told[name]


def test_a_prior_with_text_is_fetched_whole_and_one_that_cannot_be_had_is_one_line(world: World) -> None:
    assert world.filled["some/diffusion"] == [0, ""]
    asked = {path.partition("/resolve/main/")[2] for _, path, _ in world.hub.asked if path.startswith("/some/diffusion/")}
    assert {"tokenizer/merges.txt", "text_encoder/model.safetensors", "vae/config.json"} <= asked
    assert not any(path.endswith(".bin") for path in asked)
    for name, said in {
        "gated/diffusion": "is gated: accept its terms on its page",
        "closed/diffusion": "is gated: accept its terms on its page",
        "some/nothing": f"is not on {world.hub.endpoint}, or is private; check its name",
    }.items():
        code, told = world.filled[name]
        assert (code, told.startswith(f"error: prior {name} {said}"), told.count("\n")) == (3, True, 1)


def test_the_token_is_sent_and_to_no_model_before_it_is_set(world: World) -> None:
    with_token = [path for _, path, token in world.hub.asked if token]
    assert with_token
    assert all(path.startswith("/gated/ddpm/") for path in with_token)
    assert {token for *_, token in world.hub.asked} == {"", TOKEN}


@pytest.mark.slow
def test_offline_what_was_loaded_once_is_there_and_nothing_is_asked(world: World, tmp_path: Path) -> None:
    before = list(world.hub.asked)
    pictures(tmp_path)
    ran = world.hub.run(tmp_path, "-c", FILL + LOAD + COMMAND, *GOOD, "some/absent", HF_HUB_OFFLINE="1")
    filled, told = map(json.loads, ran.stdout.splitlines())
    assert {name: told[name] for name in GOOD} == {name: world.told[name] for name in GOOD}
    wanted = "prior some/absent: not in the cache, and offline mode is on (HF_HUB_OFFLINE); load it once with the network"
    assert told["some/absent"].startswith(wanted)
    assert filled["some/diffusion"] == [0, ""]
    assert (tmp_path / "out.png").read_bytes() == world.picture
    # The command's own word on the missing model, and its exit code.
    (line,) = ran.stderr.splitlines()
    assert line == f"error: {told['some/absent']}"
    assert ran.returncode == 3
    assert world.hub.asked == before


@pytest.mark.slow
def test_a_dead_server_is_one_line_and_what_was_loaded_once_is_there(world: World, tmp_path: Path) -> None:
    picture(tmp_path / "img.png")
    dead = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    words = ("-m", "restore", "denoise", "img.png", "--device", "cpu", "--sigma", "20", "--prior")
    ran = world.hub.run(tmp_path, *words, "some/ddpm", **dead)
    assert (ran.returncode, ran.stdout.strip()) == (0, "img.denoise.png")
    ran = world.hub.run(tmp_path, *words, "some/absent", "--overwrite", **dead)
    assert ran.returncode == 3
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: prior some/absent: not in the cache, and http://127.0.0.1:9 cannot be reached")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["some/nothing", "gated/ddpm", "down/ddpm"])
def test_the_command_ends_with_3_and_one_line(world: World, tmp_path: Path, name: str) -> None:
    picture(tmp_path / "img.png")
    ran = world.hub.run(tmp_path, "-m", "restore", "denoise", "img.png", "--prior", name)
    assert (ran.returncode, ran.stdout) == (3, "")
    (line,) = ran.stderr.splitlines()
    assert line == f"error: {world.told[name]}"
