"""Priors larger than the device: the same answers, with weights that come layer by layer."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pipelines
import pytest
import torch

from restore import Restorer
from restore.cli import main
from restore.device import memory
from restore.device.offload import fits, offload, weights_of
from restore.errors import UsageError
from restore.networks.presets import PRESETS
from restore.pretrained import prior as loaded
from restore.priors import Prior
from restore.priors.latent.conditions import Conditions
from restore.priors.loaders import folder
from restore.priors.whereabouts import device_of

CPU = torch.device("cpu")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def written(tmp_path: Path, **network: Any) -> Path:
    config = {"family": "edm", "network": {**network, "channels": 3}, "prior": {"sigma_data": 0.5}}
    torch.manual_seed(0)
    made = folder.build(config)
    for weights in made.parameters():  # No layer is silent, as last ones are at first.
        weights.data += 0.02 * torch.randn(weights.shape)
    folder.save(tmp_path / "model", config, made, "")
    return tmp_path / "model"


def on_device(prior: Prior) -> int:
    """Bytes of weights that are not elsewhere."""
    return sum(part.numel() * part.element_size() for part in prior.parameters() if part.device.type != "meta")


@pytest.mark.parametrize("network", ["small", "whole-small", "unet-tiny"])
def test_an_offloaded_network_gives_the_same_answer_and_gradient(tmp_path: Path, scratch: Path, network: str) -> None:
    model = written(tmp_path, **PRESETS[network])
    whole, parts = folder.load(model), folder.load(model)
    offload(parts, CPU)
    assert on_device(parts) == 0
    assert device_of(parts) == CPU
    size = sum(path.stat().st_size for path in scratch.rglob("*.dat"))
    assert size == sum(4 * weights.numel() for weights in whole.parameters())
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = []
    for prior in (whole, parts):
        given = x.clone().requires_grad_(True)
        answer = prior(given, torch.tensor([0.3, 2.0]))
        (gradient,) = torch.autograd.grad(answer.square().sum(), given)
        found.append((answer.detach(), gradient))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
    assert on_device(parts) == 0  # They left again.
    del parts, prior
    gc.collect()
    assert not list(scratch.iterdir())


def test_a_pipeline_with_text_and_a_codec_is_offloaded(tmp_path: Path, scratch: Path) -> None:
    pipelines.stable_diffusion(tmp_path / "sd")
    whole, parts = (loaded(str(tmp_path / "sd")) for _ in range(2))
    offload(parts, CPU)
    kept = sum(weights.numel() * 4 for module in parts.codec.modules() for weights in module.parameters())
    assert on_device(parts) == kept
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    asked = Conditions(prompt="a cat", guidance_scale=3.0)
    with torch.no_grad():
        answers = [prior.given(asked)(z, 1.5) for prior in (whole, parts)]
    torch.testing.assert_close(answers[1], answers[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["small", "unet-tiny"])
def test_a_model_beyond_the_bound_restores_to_the_same_bytes(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """The bound leaves less room than the weights take."""
    model = written(tmp_path, **PRESETS[kind])
    size = weights_of(folder.load(model))
    picture = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    free = 10**9
    answers = []
    for offloads, room in (("none", free), ("auto", size // 2), ("auto", size)):
        with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "restore"):
            caplog.clear()
            patch.setattr(memory, "room", lambda device, bound=None, room=room: room - size if bound else free)
            restorer = Restorer.from_pretrained(str(model), device="cpu", dtype="float32", offload=offloads, max_memory="64GB")
            assert (on_device(restorer.prior) == 0) == (room < size)
            assert ("does not fit" in caplog.text) == (room < size)
        answers.append(restorer("denoise", picture, sigma=20).image)
        assert restorer.prior_hash == Restorer.from_pretrained(str(model), device="cpu").prior_hash
    assert all((answer == answers[0]).all() for answer in answers[1:])


def test_what_fits_is_not_offloaded(tmp_path: Path) -> None:
    prior = folder.load(written(tmp_path, **PRESETS["small"]))
    assert fits(prior, CPU, None)
    assert fits(prior, CPU, memory.used(CPU) + 10**6)
    assert not fits(prior, CPU, memory.used(CPU) - 2 * weights_of(prior))


def test_the_command_offloads(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    model = written(tmp_path, **PRESETS["small"])
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("img.png", np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8))
    words = ["denoise", "img.png", "--sigma", "20", "--prior", str(model), "--device", "cpu"]
    assert main([*words, "-o", "plain.png"]) == 0
    monkeypatch.setattr("restore.api.restorer.fits", lambda prior, device, bound: False)
    assert main([*words, "-o", "offloaded.png", "--offload", "auto"]) == 0
    assert (cv2.imread("plain.png") == cv2.imread("offloaded.png")).all()
    with pytest.raises(UsageError, match="compile is for weights that stay"):
        Restorer.from_pretrained(str(model), device="cpu", offload="auto", compile=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_weights_stay_in_the_machines_memory(tmp_path: Path) -> None:
    model = written(tmp_path, **PRESETS["whole-small"])
    device = torch.device("cuda")
    whole, parts = folder.load(model).to(device), folder.load(model)
    before = torch.cuda.memory_allocated(device)
    offload(parts, device)
    assert torch.cuda.memory_allocated(device) - before < weights_of(parts) / 10
    assert device_of(parts).type == "cuda"
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.no_grad():
        torch.testing.assert_close(parts(x, 0.5), whole(x, 0.5), rtol=0, atol=1e-5)
