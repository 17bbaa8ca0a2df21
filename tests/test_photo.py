"""The bundled prior where a wrong answer would show, on samples it never saw.

`python -m benchmarks photo-prior-artefacts` has all figures.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from benchmarks.photo_prior import artefacts
from benchmarks.pictures import read, tensor
from restore import Restorer, pretrained

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "reports" / "results" / "photo-prior.jsonl"
SIGMAS = (15, 25, 50)  # Of 255.


@pytest.fixture(scope="module")
def prior():
    return pretrained.prior("photo").float()


@pytest.fixture(scope="module")
def cat():
    return tensor(read(ROOT / "samples" / "photos" / "chelsea.png"))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_gray_pictures_stay_gray(prior, cat, sigma):
    rms, cast = artefacts.tint(prior, cat, sigma, gray=True)
    assert rms < sigma / 20
    assert cast < 0.5  # Rounded away in 8 bits.


@pytest.mark.parametrize("sigma", SIGMAS)
def test_noise_in_colour_leaves_no_cast_on_a_gray_picture(prior, cat, sigma):
    assert artefacts.tint(prior, cat, sigma, gray=False)[1] < 0.5


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", ["flat", "dark"])
def test_flat_areas_stay_flat(prior, name, sigma):
    assert artefacts.unevenness(prior, artefacts.smooth()[name], sigma)[0] < sigma / 10


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", ["flat", "dark", "ramp", "wave"])
def test_no_checkerboard_that_8_bits_could_show(prior, name, sigma):
    clean = artefacts.smooth()[name]
    pattern, _ = artefacts.checkerboard((artefacts.asked(prior, clean, sigma, 4) - clean) * 127.5)
    assert pattern < 0.5


def test_a_checkerboard_is_seen():
    error = torch.randn(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    pattern, times = artefacts.checkerboard(error)
    # The mean of 4 x 64 x 64 normals scatters by 1/128; twelve are looked at.
    assert pattern < 4 / 128
    assert times == pytest.approx(1, abs=0.1)
    board = 0.3 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(64, 64)
    for shown in (board, board[:1].expand(128, -1), board[:, :1].expand(-1, 128)):
        found, more = artefacts.checkerboard(error + shown)
        assert found == pytest.approx(0.3, abs=4 / 128)
        assert more > 5
    # A smooth error has less there than elsewhere.
    for axis in (-1, -2):
        error = (error.roll(1, axis) + 2 * error + error.roll(-1, axis)) / 4
    assert artefacts.checkerboard(error)[1] < 0.05


@pytest.mark.parametrize("sigma", SIGMAS)
def test_answers_are_as_good_at_the_border_as_inside(prior, cat, sigma):
    assert artefacts.border(prior, [cat], sigma) < 1.1


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_sigma_told_wrong_by_a_fifth_costs_little(prior, cat, sigma):
    assert artefacts.mistold(prior, [cat[..., 40:232, 100:292]], sigma) < 0.6


def test_the_card_and_the_document_are_of_these_weights():
    folder = ROOT / "restore" / "priors" / "photo"
    card, document = (folder / "README.md").read_text(), (ROOT / "docs" / "reports" / "photo-prior.md").read_text()
    found = Restorer.from_pretrained("photo").prior_hash
    assert f"weights {found}:" in card
    assert set(re.findall(r"weights (\w{16})\b", document)) == {found}
    assert json.loads(card.split("```json")[1].split("```")[0]) == json.loads((folder / "config.json").read_text())


def test_the_tables_of_the_card_are_those_of_the_kept_results():
    results = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    ours = f"{Restorer.from_pretrained('photo').prior_hash} bfloat16"
    card = (ROOT / "restore" / "priors" / "photo" / "README.md").read_text()
    for sigma in (15, 25, 30, 50):
        found = [value for who, task, told, _, value in results if (who, task, told) == (ours, f"noise {sigma}", "right")]
        assert len(found) == 68
        assert f"| {sigma} | {sum(found) / 68:.2f} |" in card


def test_the_margins_of_the_card_are_those_of_the_kept_results():
    found = Restorer.from_pretrained("photo").prior_hash
    kept = {}
    for line in RESULTS.read_text().splitlines():
        *key, value = json.loads(line)
        kept[tuple(key)] = value
    card = (ROOT / "restore" / "priors" / "photo" / "README.md").read_text()
    rows = re.findall(r"^\| (.+) \| (17|68) \| ([\d.]+) \| ([\d.]+) \((.+)\) \| (\+[\d.]+) \|$", card, re.MULTILINE)
    assert len(rows) == 8
    for task, count, ours, theirs, rival, margin in rows:
        pictures = range(0, 68, 68 // int(count))
        means = {}
        for who, asked, method, _ in kept:
            cells = [kept.get((who, asked, method, picture)) for picture in pictures]
            if asked == task and (who is None or who.startswith(found)) and None not in cells:
                means[(who, method)] = sum(cells) / len(cells)
        best = max((name for name in means if name[0] is None), key=means.get)
        mine = next(value for (who, _), value in means.items() if who is not None and f"{value:.2f}" == ours)
        assert (f"{means[best]:.2f}", best[1]) == (theirs, rival)
        assert f"{mine - means[best]:+.2f}" == margin
