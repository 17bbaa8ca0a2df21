"""`restore models convert`: what comes out answers as what went in."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from test_load_adm import REDUCED, filled
from toys import OWN, Command, files

from restore import Restorer, pretrained
from restore.priors import VE
from restore.priors.loaders import folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own dependencies warn while they are imported.
    import diffusers


def chain(place: Path) -> str:
    scheduler = diffusers.DDPMScheduler(
        prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2", num_train_timesteps=50, clip_sample_range=0.7
    )
    return pipeline(place / "ddpm", scheduler)


def exploding(place: Path) -> str:
    return pipeline(place / "ve", diffusers.ScoreSdeVeScheduler(sigma_max=50.0), time_embedding_type="fourier")


def pipeline(place: Path, scheduler: object, **words: object) -> str:
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        **words,
    )
    diffusers.DDPMPipeline(network, scheduler).save_pretrained(place)
    return f"diffusers:{place.name}"


def adm(place: Path) -> str:
    torch.save(filled(REDUCED["tiny"]), place / "file.pt")
    return "adm:file.pt?head_channels=32"


def own(place: Path) -> str:
    torch.manual_seed(0)
    folder.save(place / "own", OWN, folder.build(OWN), "", dtype=torch.float32)
    return "own"


@pytest.mark.parametrize("make", [chain, exploding, adm, own])
def test_the_folder_answers_as_its_source(place: Path, restore: Command, make) -> None:
    source = make(place)
    ran = restore("models", "convert", source, "out")
    assert (ran.code, ran.out) == (0, "out\n")
    assert files(place / "out") == ["README.md", "config.json", "model.safetensors"]
    before, after = pretrained.prior(source), Restorer.from_pretrained("out", device="cpu", dtype="float32").prior
    assert type(before) is type(after)
    assert (before.channels, before.multiple_of, before.context) == (after.channels, after.multiple_of, after.context)
    assert (before.sigma_min, before.sigma_max) == (after.sigma_min, after.sigma_max)
    x = torch.randn(2, 3, 40, 32, generator=torch.Generator().manual_seed(0))
    for sigma in (0.05, 1.0, 20.0):
        assert torch.equal(before(x, sigma), after(x, sigma))


def test_a_converted_score_keeps_its_units(place: Path, restore: Command) -> None:
    assert restore("models", "convert", exploding(place), "out").code == 0
    prior = pretrained.prior("out")
    assert isinstance(prior, VE)
    assert (prior.sigma_min, prior.sigma_max) == (0.02, 100.0)


def test_half_precision_is_half_as_large_and_almost_the_same(place: Path, restore: Command) -> None:
    source = adm(place)
    assert restore("models", "convert", source, "full").code == 0
    assert restore("models", "convert", source, "half", "--dtype", "float16").code == 0
    sizes = [(place / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.02)
    with safe_open(place / "half" / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    full, half = pretrained.prior("full")(x, 0.5), pretrained.prior("half")(x, 0.5)
    assert 0 < (full - half).abs().max() < 0.02


def test_the_card_says_where_it_came_from_and_what_is_not_known(place: Path, restore: Command) -> None:
    restore("models", "convert", chain(place), "out")
    card = restore("models", "info", "out").out
    for said in ("from: model ddpm in diffusers layout (DDPMScheduler)", "licence and training data: those of the source"):
        assert said in card
    assert "prediction v_prediction" in card
    assert "clip 0.7" in card
    assert restore("models", "verify", "out").out.startswith("out: ok, weights ")


def test_what_is_there_stays(place: Path, restore: Command) -> None:
    source = own(place)
    (place / "other").mkdir()
    (place / "other" / "file").touch()
    for words in (["own"], ["other"], ["other", "--overwrite"]):
        ran = restore("models", "convert", source, *words)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.count("\n") == 1
    assert files(place / "other") == ["file"]
    assert restore("models", "convert", source, "own", "--overwrite", "--dtype", "float16").code == 0
    assert json.loads((place / "own" / "config.json").read_text()) == OWN


@pytest.mark.parametrize(("make", "said"), [(chain, "(ddpm, network diffusers)"), (adm, "variance learned, clip 1.0")])
def test_info_tells_what_files_of_others_say(place: Path, restore: Command, make, said: str) -> None:
    source = make(place)
    assert said in restore("models", "info", source).out
    told = json.loads(restore("models", "info", source, "--json").out)
    assert (told["name"], told["config"]["family"]) == (source, "ddpm")


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("adm:absent.pt", 3, "no such file"),
        ("absent", 3, "no bundled prior, folder or Hub id"),
        ("img.png", 3, "is a file; put its kind before it: adm:img.png"),
        ("toy:fast", 3, "priors of toy: have no config"),
        ("nothing:here", 2, "unknown prior 'nothing'"),
    ],
)
def test_what_cannot_be_converted_is_one_line_and_leaves_nothing(
    place: Path, restore: Command, source: str, code: int, said: str
) -> None:
    before = files(place)
    ran = restore("models", "convert", source, "out")
    assert (ran.code, ran.out) == (code, "")
    (line,) = ran.err.splitlines()
    assert said in line
    assert files(place) == before
