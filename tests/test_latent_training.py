"""Codecs, priors on their latents and priors of classes, as `restore train` makes them."""

from __future__ import annotations

import json
import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from restore import Restorer, pretrained
from restore.cli import main
from restore.errors import PriorError
from restore.objectives import CodecObjective
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.conditions import Conditions
from restore.priors.latent.latent import Latent
from restore.priors.loaders import codec_folder, folder
from restore.sampling.samplers import ddim
from restore.solving.generate import sample, schedule_for
from restore.training import autoencoders, families, runs
from restore.training.data import Crops, load_crops
from restore.training.kinds import PRIORS
from restore.training.labels import Classed, Labels
from restore.training.latents import LatentCrops, normalised, scaled
from restore.training.state import STATE

SIDE = 16
CODEC = ["--channels", "1", "--size", str(SIDE), "--factor", "2", "--width", "8", "--latent-channels", "2", "--batch", "4"]
PRIOR = ["--channels", "1", "--size", str(SIDE), "--network", "small", "--batch", "4", "--no-flip"]
FEW = ["--steps", "3", "--warmup", "2"]


def pictures(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Dark pictures of class 0 and bright ones of class 1, with a disc in each."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = (rng.integers(0, 40, (count, SIDE, SIDE)) + 180 * labels[:, None, None]).astype(np.uint8)
    for image in images:
        cv2.circle(image, [int(v) for v in rng.integers(4, 12, 2)], 3, 128, -1)
    return images, labels


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures and their classes, as an array and as folders."""
    monkeypatch.chdir(tmp_path)
    images, labels = pictures()
    np.savez("data.npz", images=images, labels=labels)
    np.savez("named.npz", images=images, labels=labels, names=np.array(["night", "day"]))
    np.savez("silent.npz", images=images)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = Path("classes", "day" if label else "night")
        place.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(place / f"{index}.png"), image)
    return tmp_path


def trained(*words: str) -> None:
    assert main(["train", *words]) == 0


@pytest.fixture
def codec(work: Path) -> Path:
    trained("data.npz", "-o", "codec", "--codec", "kl", *CODEC, *FEW)
    return work / "codec"


# Codecs


@pytest.mark.parametrize("kind", ["kl", pytest.param("vq", marks=pytest.mark.slow)])
def test_a_codec_learns_to_return_its_pictures_and_is_diffusers_own(work: Path, kind: str) -> None:
    words = ["--steps", "150", "--warmup", "10", "--lr", "5e-3", "--ema", "0.9"]
    trained("data.npz", "-o", "codec", "--codec", kind, *CODEC, *words)
    x = load_crops((Path("data.npz"),), size=SIDE, channels=1, flip=False).whole()
    codec = codec_folder.load(Path("codec"))
    assert codec.encode(x).shape == (12, 2, SIDE // 2, SIDE // 2)
    returned = codec.decode(codec.encode(x), (SIDE, SIDE))
    assert float((returned - x).square().mean()) < 0.25 * float(x.var())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        theirs = getattr(diffusers, codec_folder.build(json.loads(Path("codec/config.json").read_text())).__class__.__name__)
        network = theirs.from_pretrained("codec")
    with torch.no_grad():
        torch.testing.assert_close(returned, network(x).sample, rtol=0, atol=1e-5)
    assert {path.name for path in Path("codec").iterdir()} >= {"README.md", "loss.png", "reconstructions.png", STATE}
    assert f"A codec ({kind})" in Path("codec/README.md").read_text()


def test_the_code_of_a_kl_codec_costs_its_divergence_from_a_standard_normal() -> None:
    config = autoencoders.config("kl", channels=1, width=8, factor=2, latent_channels=2, codebook=8, kl_weight=0.5)
    torch.manual_seed(0)
    model = autoencoders.autoencoder(config, torch.float32)
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    told = model.network.encode(x).latent_dist
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Normal(told.mean, told.std), torch.distributions.Normal(0.0, 1.0)
    )
    coded = model(x, 5)
    torch.testing.assert_close(coded.cost, wanted.flatten(1).sum(1) / 64)
    assert not torch.equal(coded.x, model(x, 6).x)  # z is drawn.
    generator = torch.Generator().manual_seed(2)
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(2)))
    again = model(x, seed)
    wanted_loss = (again.x - x).square().mean() + 0.5 * again.cost.mean()
    torch.testing.assert_close(CodecObjective(0.5).loss(model, x, generator), wanted_loss)


# Interruption


@contextmanager
def stopping(batch: int) -> Iterator[Callable[..., None]]:
    def show(report: Any) -> None:
        if report.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    yield show


KINDS = {
    "codec": ["--codec", "vq", *CODEC],
    "latent": ["--latent", "codec", "--labels", *PRIOR],
    "classes": ["--labels", "--label-dropout", "0.4", *PRIOR],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(codec: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    words = [*KINDS[kind], "--steps", "7", "--warmup", "2"]
    trained("data.npz", "-o", "whole", *words)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "progress_bar", stopping)
        assert main(["train", "data.npz", "-o", "parts", *words]) == 128 + signal.SIGTERM
    trained("data.npz", "-o", "parts", *words, "--resume")
    states = [torch.load(f"{name}/{STATE}", weights_only=True) for name in ("whole", "parts")]
    assert [state["step"] for state in states] == [7, 7]
    assert torch.equal(states[0]["losses"], states[1]["losses"])
    for part in ("prior", "average"):
        assert all(torch.equal(value, states[1][part][name]) for name, value in states[0][part].items())


def test_a_run_on_latents_is_not_resumed_on_others(codec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["data.npz", "-o", "mine", *PRIOR, "--resume"]
    trained(*words, "--latent", "codec", *FEW)
    trained("data.npz", "-o", "other", "--codec", "kl", *CODEC, *FEW, "--seed", "1")
    for latent, said in (("other", "on latents of another codec"), (None, "another codec or other classes")):
        capfd.readouterr()
        assert main(["train", *words, *(["--latent", latent] if latent else []), "--steps", "9"]) == 3
        assert said in capfd.readouterr().err.splitlines()[-1]
    trained(*words, "--latent", "mine/codec", "--steps", "4")


# Latents


def test_latents_are_scaled_and_shifted_to_the_range_of_pictures(codec: Path) -> None:
    crops = load_crops((Path("data.npz"),), size=SIDE, channels=1, flip=False)
    plain = codec_folder.load(codec, scale=1.0, shift=0.0)
    moved = scaled(plain, normalised(plain, crops, seed=0))
    z = torch.cat([LatentCrops(crops, moved).batch(64, seed=3, step=step) for step in range(8)])
    assert z.mean(dim=(0, 2, 3)).abs().max() < 0.05
    assert (z.std(dim=(0, 2, 3)) - 0.5).abs().max() < 0.03
    torch.testing.assert_close(
        moved.decode(moved.encode(crops.whole()), (SIDE, SIDE)), plain.decode(plain.encode(crops.whole()), (SIDE, SIDE))
    )


def test_codes_that_are_kept_are_those_of_the_crops(codec: Path) -> None:
    fixed = load_crops((Path("data.npz"),), size=SIDE, channels=1, flip=False)
    network = codec_folder.load(codec)
    assert fixed.fixed
    torch.testing.assert_close(LatentCrops(fixed, network).batch(5, 1, 2), network.encode(fixed.batch(5, 1, 2)))
    flipped = load_crops((Path("data.npz"),), size=SIDE, channels=1)
    assert not flipped.fixed
    torch.testing.assert_close(LatentCrops(flipped, network).batch(5, 1, 2), network.encode(flipped.batch(5, 1, 2)))


@pytest.mark.parametrize("family", families.OPTIONS)
def test_any_family_is_a_prior_on_latents_that_restores_and_samples(codec: Path, family: str) -> None:
    trained("named.npz", "-o", "mine", "--latent", "codec", "--labels", "--family", family, *PRIOR, *FEW)
    assert main(["sample", "mine", "--label", "day", "--guidance-scale", "2", "-n", "2", "--steps", "2", "-o", "s.png"]) == 0
    assert cv2.imread("s.png", cv2.IMREAD_UNCHANGED).shape == (SIDE, 2 * SIDE + 4)
    picture = pictures()[0][1]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2 :] = 255
    assert cv2.imwrite("p.png", picture)
    assert cv2.imwrite("m.png", mask)
    words = ["--mask", "m.png", "--mask-grow", "0", "--sigma", "0", "--steps", "2", "--label", "1", "-o", "out.png"]
    assert main(["inpaint", "p.png", *words, "--prior", "mine", "--device", "cpu"]) == 0
    after = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)
    assert (after[mask == 0] == picture[mask == 0]).all()
    assert (after[mask > 0] != picture[mask > 0]).any()


def test_a_folder_holds_the_prior_its_classes_and_its_codec(codec: Path) -> None:
    trained("named.npz", "-o", "mine", "--latent", "codec", "--labels", *PRIOR, *FEW)
    prior: Any = pretrained.prior("mine")
    assert isinstance(prior, Latent)
    assert isinstance(prior.prior, Conditional)
    assert (prior.channels, prior.codec.factor, prior.codec.picture_channels) == (2, 2, 1)
    z, sigma = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0.3, 2.0])
    alone: Any = folder.load_alone(Path("mine"))
    told = prior.given(Conditions(label="day", guidance_scale=1.0))
    with torch.no_grad():
        trained_as = Classed(alone, lambda prior: prior)(z, sigma, torch.tensor([1, 1]))
        torch.testing.assert_close(told(z, sigma), trained_as)
    assert Restorer.from_pretrained("mine").prior.codec.factor == 2
    assert main(["models", "verify", "mine"]) == 0
    assert "--latent codec --labels" in Path("mine/README.md").read_text()
    for damage, said in (
        ("codec/config.json", "a codec's folder holds"),
        ("codec/diffusion_pytorch_model.safetensors", "no weights"),
    ):
        Path("mine", damage).rename("kept")
        with pytest.raises(PriorError, match=said):
            pretrained.prior("mine")
        Path("kept").rename(Path("mine", damage))


# Classes


@pytest.mark.parametrize("network", ["whole-small", pytest.param("unet-tiny", marks=pytest.mark.slow)])
def test_a_prior_of_classes_tells_them_apart(work: Path, network: str) -> None:
    words = [
        "--network",
        network,
        "--steps",
        "60",
        "--warmup",
        "5",
        "--batch",
        "8",
        "--lr",
        "5e-3",
        "--ema",
        "0.9",
        "--sigma-mean",
        "2",
    ]
    trained("named.npz", "-o", "mine", "--labels", *PRIOR, *words)
    prior = pretrained.prior("mine")
    noise = 20 * torch.randn(8, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        night, day, none = (float(prior.given(Conditions(label=name))(noise, 20.0).mean()) for name in ("night", "day", None))
    assert night < none < day
    assert day - night > 0.3


def test_labels_are_those_of_the_crops_and_some_are_not_told(work: Path) -> None:
    """The brightness of a picture says its class."""
    crops = load_crops((Path("data.npz"),), size=SIDE, channels=1, labels=0.3)
    plain = load_crops((Path("data.npz"),), size=SIDE, channels=1)
    found, silent = [], 0
    for step in range(20):
        x, labels = crops.batch(16, 5, step), crops.classes(16, 5, step)
        assert labels is not None
        assert torch.equal(x, plain.batch(16, 5, step))
        assert torch.equal(labels, crops.classes(16, 5, step))
        bright = (x.median(dim=-1)[0].median(dim=-1)[0] > 0)[:, 0].long()
        assert torch.equal(labels[labels < 2], bright[labels < 2])
        found += labels.tolist()
        silent += int((labels == 2).sum())
    assert 0.2 < silent / len(found) < 0.4
    assert plain.classes(16, 5, 0) is None


def test_what_a_prior_is_told_to_paint_is_not_copied_from_the_picture(work: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained("named.npz", "-o", "mine", "--labels", *PRIOR, *FEW)
    restorer = Restorer.from_pretrained("mine", device="cpu")
    picture = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    for label, fill in (("day", "smooth"), (None, "texture")):
        caplog.clear()
        with caplog.at_level(logging.INFO, "restore"):
            result = restorer("inpaint", picture, mask=mask, sigma=0, steps=2, label=label)
        assert result.record["found"]["fill"] == fill
        assert ("filled with patches of the picture" in caplog.text) == (label is None)


def test_names_of_folders_are_classes(work: Path) -> None:
    crops = load_crops((Path("classes"),), size=SIDE, channels=1, scales=(1.0, 1.0), labels=0.0)
    assert crops.labels is not None
    assert crops.labels.names == ("day", "night")
    assert len(crops.labels.numbers) == 24
    for picture, number in zip(crops.pictures, crops.labels.numbers, strict=True):
        assert (np.median(picture) > 128) == (number == 0)


def test_a_prior_that_was_always_told_a_class_must_be_told_one(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trained("data.npz", "-o", "mine", "--labels", "--label-dropout", "0", *PRIOR, *FEW)
    assert main(["sample", "mine", "-n", "1"]) == 2
    assert "must be told one: --label, 0 to 1" in capfd.readouterr().err.splitlines()[-1]
    assert main(["sample", "mine", "-n", "1", "--steps", "2", "--label", "2"]) == 2
    assert "this prior has classes 0 to 1" in capfd.readouterr().err.splitlines()[-1]


def test_a_learned_variance_is_trained_with_classes(work: Path) -> None:
    words = ["--family", "ddpm", "--variance", "learned", "--schedule", "cosine"]
    trained("data.npz", "-o", "mine", "--labels", *PRIOR, *FEW, *words)
    prior = pretrained.prior("mine").given(Conditions(label="1"))
    assert sample(prior, 1, (SIDE, SIDE), ddim(0.0), schedule_for(prior, 2)).isfinite().all()


# Bad input


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["data.npz", "--codec", "kl", *CODEC, "--family", "vp"], 2, "--family is for priors, which --codec does not train"),
        (["data.npz", "--codec", "kl", *CODEC, "--compile"], 2, "--compile is for priors"),
        (["data.npz", "--codec", "kl", *CODEC, "--codebook", "9"], 2, "--codebook is for --codec vq"),
        (["data.npz", "--codec", "vq", *CODEC, "--kl-weight", "1"], 2, "--kl-weight is for --codec kl"),
        (["data.npz", "--codec", "kl", *CODEC, "--width", "12"], 2, "--width 12 is no multiple of 8"),
        (["data.npz", "--codec", "kl", *CODEC, "--size", "15"], 2, "--size 15 is no multiple of the cells of 2 pixels"),
        (["data.npz", *PRIOR, "--factor", "2"], 2, "--factor is for codecs; give --codec kl or vq"),
        (["data.npz", *PRIOR, "--label-dropout", "0.2"], 2, "--label-dropout is of --labels"),
        (["data.npz", *PRIOR, "--latent", "nowhere"], 3, "no config.json; a codec's folder holds"),
        (["data.npz", *PRIOR, "--latent", "classes"], 3, "no config.json; a codec's folder holds"),
        (["data.npz", *PRIOR, "--latent", "codec", "--channels", "3"], 2, "its codec is for 1 channel(s)"),
        (["data.npz", *PRIOR, "--latent", "codec", "--size", "15"], 2, "--size 15 is no multiple"),
        (["data.npz", *PRIOR, "--latent", "codec", "--family", "ddpm", "--variance", "learned"], 2, "latents are none"),
        (["data.npz", *PRIOR, "--latent", "codec", "--pnp-states", "0.5"], 2, "--pnp-states is for priors of pictures"),
        (["data.npz", *PRIOR, "--labels", "--jpeg-states", "0.5"], 2, "--jpeg-states is for priors of pictures"),
        (
            ["data.npz", *PRIOR, "--labels", "--family", "ddpm", "--network", "unet-tiny", "--diffusers"],
            2,
            "--diffusers is for priors without",
        ),
        (["silent.npz", *PRIOR, "--labels"], 2, "silent.npz: no labels"),
        (["classes/day", *PRIOR, "--labels"], 2, "lies in no folder of a class"),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    codec: Path, capfd: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    capfd.readouterr()
    assert main(["train", "-o", "mine", *words, "--steps", "2"]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("error: ")
    assert not Path("mine").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codec": {"scale": [1.0]}}, "has no shift"),
        ({"codec": {"scale": [1.0, 1.0], "shift": [0.0]}}, "scale has 2 values, the network 1 channels"),
        (
            {"classes": {"names": ["a", "b"], "nothing": True, "scale": 1.5}},
            "classes must be 3, as many as the config names, got 0",
        ),
    ],
)
def test_a_config_that_contradicts_itself_is_one_line(changes: dict[str, Any], said: str) -> None:
    config = {"family": "edm", "network": {"type": "residual-unet", "channels": 1, "widths": [8], "patch": 1}, **changes}
    with pytest.raises(PriorError, match=said):
        PRIORS.build(config, torch.float32)


def test_labels_must_be_one_for_each_picture(work: Path) -> None:
    images, labels = pictures()
    for name, told, said in (
        ("few", labels[:3], "must be 12 numbers"),
        ("below", labels - 1, "from 0"),
        ("real", labels / 2, "numbers"),
    ):
        np.savez(f"{name}.npz", images=images, labels=told)
        with pytest.raises(Exception, match=said):
            load_crops((Path(f"{name}.npz"),), size=SIDE, channels=1, labels=0.1)
    assert Labels(np.zeros(1, np.int64), ("a", "b"), 0.0).dropout == 0
    assert isinstance(load_crops((Path("data.npz"),), size=SIDE, channels=1), Crops)
