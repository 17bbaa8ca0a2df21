"""`restore evaluate`, from files to figures."""

import json

import cv2
import numpy as np
import pytest
import torch
from photographs import Shrinking
from toys import files, picture

from restore import images, pretrained
from restore.errors import PictureError
from restore.likelihood.data import load


@pytest.fixture
def shrinking(monkeypatch):
    monkeypatch.setattr(pretrained, "prior", lambda name, **rest: Shrinking(channels=1))


@pytest.fixture
def digits(place):
    """White pictures of standard deviation 0.3, gray, 8 bit."""
    drawn = np.random.default_rng(0).normal(127.5, 0.3 * 127.5, (6, 8, 8)).round().clip(0, 255).astype(np.uint8)
    np.savez(place / "digits.npz", images=drawn)
    return drawn


def test_a_table_a_person_reads(restore, digits, shrinking):
    ran = restore("evaluate", "any", "digits.npz", "--steps", "12")
    assert ran.code == 0
    assert ran.out.startswith("any on 6 pictures of 8x8, gray\nbits/dim 8.38")
    assert "denoised dB" in ran.out


def test_figures_a_program_reads(restore, digits, shrinking):
    # For white pictures of variance 1 the bits are -log2 N(x; 0, 1) - log2 of a grey level.
    ran = restore("evaluate", "any", "digits.npz", "--likelihood", "flow", "--json", "-n", "5", "--skip", "1", "--steps", "64")
    told = json.loads(ran.out)
    x = digits[1:] / 127.5 - 1
    wanted = (np.mean(x**2) / 2 + np.log(2 * np.pi) / 2) / np.log(2) + np.log2(127.5)
    assert told["bits_per_dim"] == pytest.approx(wanted, abs=5e-3)
    assert (told["pictures"], told["size"], told["skip"], told["likelihood"]) == (5, [8, 8], 1, "flow")
    assert [line["sigma"] for line in told["denoising"]][:3] == [0.02, 0.05, 0.1]


def test_the_bound_and_its_picture(restore, digits, shrinking, place):
    ran = restore("evaluate", "any", "digits.npz", "--every", "40", "--plot", "bound.png", "--json")
    told = json.loads(ran.out)
    assert told["likelihood"] == "bound"
    assert told["bits_per_dim"] == pytest.approx(told["prior_term"] + told["steps_term"] + told["decoder_term"])
    assert told["steps_term"] == pytest.approx(sum(term["bits"] * term["weight"] for term in told["steps"]))
    assert sum(term["weight"] for term in told["steps"]) == 999
    assert told["bits_per_dim"] == pytest.approx(8.43, abs=0.4)  # 8.385 and what 1000 steps cost; 6 pictures, every 40th step.
    assert cv2.imread("bound.png").shape == (420, 760, 3)
    again = restore("evaluate", "any", "digits.npz", "--plot", "bound.png")
    assert (again.code, again.out) == (1, "")
    assert "bound.png: exists already" in again.err


def test_likelihood_may_be_left_out(restore, digits, shrinking):
    told = json.loads(restore("evaluate", "any", "digits.npz", "--likelihood", "none", "--json").out)
    assert "bits_per_dim" not in told
    assert told["denoising"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("gone.npz", 1, "gone.npz: no such file or folder"),
        ("notes.npy", 1, "notes.npy: expected (N, H, W[, 1 or 3]) uint8, found (3,) float64"),
        ("broken.npz", 1, "broken.npz: not an array of pictures"),
        ("digits.npz --size 20", 1, "a picture of 8x8 is smaller than 20x20; give a smaller --size"),
        ("digits.npz --skip 6", 1, "no pictures are left after the first 6"),
        ("digits.npz --plot b.png --likelihood flow", 2, "--plot draws the variational bound"),
        ("digits.npz --plot b.pcx", 1, "'.pcx' names no known format"),
        ("digits.npz -n 1", 2, "invalid value for '-n'"),
    ],
)
def test_bad_words_are_one_line(restore, digits, shrinking, place, words, code, said):
    np.save(place / "notes.npy", np.zeros(3))
    (place / "broken.npz").write_bytes(b"PK no")
    before = files(place)
    ran = restore("evaluate", "any", *words.split())
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert files(place) == before


# Reading


def test_arrays_are_read_as_they_are(place, digits):
    found = load(place / "digits.npz", count=3, channels=1, size=None, skip=2)
    assert found.shape == (3, 1, 8, 8)
    assert np.array_equal(((found[:, 0].numpy() + 1) * 127.5).round(), digits[2:5])
    torch.testing.assert_close(load(place / "digits.npz", count=3, channels=3, size=None, skip=2), found.expand(-1, 3, -1, -1))
    middle = load(place / "digits.npz", count=3, channels=1, size=(4, 2), skip=2)
    assert torch.equal(middle, found[..., 2:6, 3:5])


def test_folders_are_read_in_order_and_cut_from_the_middle(tmp_path):
    for index, name in enumerate(["b.png", "a.png", "deep/c.png"]):
        picture(tmp_path / name, seed=index)
    found = load(tmp_path, count=2, channels=3, size=(12, 10))
    first = images.read(tmp_path / "a.png").pixels
    assert found.shape == (2, 3, 12, 10)
    torch.testing.assert_close(found[:1], first[..., 3:13])
    gray = load(tmp_path, count=1, channels=1, size=(12, 16))
    luma = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert np.abs((gray[0, 0].numpy() + 1) * 127.5 - luma).max() <= 1.01
    levels = (gray + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    with pytest.raises(PictureError, match="smaller than 64x64"):
        load(tmp_path, count=1, channels=3, size=None)
