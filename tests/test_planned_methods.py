"""Which methods make an answer, and what lies between an estimate and a sample."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussian import Gaussian, decaying
from photographs import Counting, Shrinking, cheap

from restore.errors import OperatorError, UsageError
from restore.guidance import DDNM, MMPS, Denoising, DenoisingSamples, PnP, SDEdit
from restore.guidance.mmps import ShortMMPS
from restore.operators import JPEG, Downsample, Identity, Mask
from restore.options.run_options import RunOptions
from restore.planning.methods import choose_methods, kind_of
from restore.plugins import manager
from restore.problem import Problem

SHAPE = (1, 1, 8, 8)
KEEP = torch.arange(64).reshape(1, 1, 8, 8) % 3 > 0
HOLES = Problem(torch.zeros(SHAPE), Mask(KEEP), 0.0, SHAPE)
SMALL = Problem(torch.zeros(1, 1, 4, 4), Downsample((8, 8), 2), 0.0, SHAPE)
NOISY = Problem(torch.zeros(SHAPE), Identity(), 0.5, SHAPE)

WISHES = {
    "nothing said": (HOLES, {}, (PnP, None, 0, 1.0, "estimate")),
    "several": (HOLES, {"samples": 4}, (None, MMPS, 4, 1.0, "mean")),
    "a sample": (HOLES, {"fidelity": 0.0}, (None, MMPS, 1, 0.0, "sample")),
    "the first of several": (HOLES, {"fidelity": 0.0, "samples": 3}, (None, MMPS, 3, 0.0, "sample")),
    "half way": (HOLES, {"fidelity": 0.5}, (PnP, MMPS, 1, 0.5, "blend")),
    "half way to a mean": (HOLES, {"fidelity": 0.5, "samples": 3}, (None, MMPS, 3, 0.5, "blend")),
    "enlarged": (SMALL, {"fidelity": 0.5}, (PnP, ShortMMPS, 1, 0.5, "blend")),
    "enlarged with noise": (replace(SMALL, sigma_y=0.1), {"guidance": "mmps"}, (None, MMPS, 1, 0.0, "sample")),
    "enlarged by a sampler named": (SMALL, {"guidance": "mmps"}, (None, MMPS, 1, 0.0, "sample")),
    "a sampler named": (HOLES, {"guidance": DDNM()}, (None, DDNM, 1, 0.0, "sample")),
    "a sampler, half way": (HOLES, {"guidance": DDNM(), "fidelity": 0.5}, (PnP, DDNM, 1, 0.5, "blend")),
    "an estimate named": (HOLES, {"guidance": PnP()}, (PnP, None, 0, 1.0, "estimate")),
    "noise": (NOISY, {}, (Denoising, None, 0, 1.0, "estimate")),
    "noise, several": (NOISY, {"samples": 2}, (None, DenoisingSamples, 2, 1.0, "mean")),
    "a task that estimates": (NOISY, {"own": Denoising(), "samples": 2}, (None, DenoisingSamples, 2, 1.0, "mean")),
    "a task that samples": (NOISY, {"own": SDEdit()}, (None, SDEdit, 1, 0.0, "sample")),
}


def chosen(problem, own=None, **words):
    """The point estimate's method, that of samples and how many, the fidelity, and what the answer is."""
    draws, fidelity = choose_methods(problem, RunOptions(**words), own)
    estimate = next((type(draw.guidance) for draw in draws if draw.guidance.answer == "estimate"), None)
    sampling = next(((type(draw.guidance), draw.pictures) for draw in draws if draw.guidance.answer == "sample"), (None, 0))
    return estimate, *sampling, fidelity, kind_of([draw.guidance for draw in draws], fidelity)


@pytest.mark.parametrize(("problem", "words", "wanted"), WISHES.values(), ids=WISHES)
def test_options_become_methods(problem, words, wanted):
    assert chosen(problem, **words) == wanted


CONTRADICTIONS = {
    "an estimate has no samples": ({"guidance": PnP(), "samples": 2}, "PnP is a point estimate and draws no samples"),
    "an estimate is no sample": ({"guidance": PnP(), "fidelity": 0.0}, "PnP is a point estimate"),
    "an estimate does not blend": ({"guidance": PnP(), "fidelity": 0.5}, "PnP is a point estimate"),
    "a sampler at full fidelity": ({"guidance": DDNM(), "fidelity": 1.0}, "nothing for DDNM to do"),
    "a task without estimate": ({"own": SDEdit(), "fidelity": 0.5}, "draws samples and has no point estimate"),
}


@pytest.mark.parametrize(("words", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_are_usage_errors(words, message):
    with pytest.raises(UsageError, match=message):
        chosen(HOLES, **words)


def test_an_operator_without_a_default_method_says_so():
    with pytest.raises(OperatorError, match="no default method for a JPEG operator; name one: guidance="):
        chosen(Problem(torch.zeros(1, 3, 16, 16), JPEG(50), 0.0, (1, 3, 16, 16)))


def test_fidelity_trades_error_for_spread_as_theory_has_it():
    # Denoising a Gaussian: estimate and samples are exact, so the error is (1 + (1 - f)^2) times the least one.
    prior, sigma = Gaussian(0.02 * decaying(64, 0.9)), 0.1
    truth = prior.draw(75, (1, 8, 8), seed=1)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(2), dtype=truth.dtype)
    given = ((truth + sigma * noise + 1) / 2).float()
    errors = []
    for fidelity in (1.0, 0.5, 0.0):
        runs = cheap(prior).map("denoise", given, sigma=sigma * 127.5, fidelity=fidelity, steps=50)
        found = torch.cat([result.picture.pixels for result in runs])
        errors.append(float((found - truth).square().mean()))
    assert errors[1] / errors[0] == pytest.approx(1.25, abs=0.05)
    assert errors[2] / errors[0] == pytest.approx(2.0, abs=0.12)


def test_the_picture_is_the_blend_of_its_two_ends():
    picture = np.random.default_rng(0).random((8, 8), np.float32) * 0.5 + 0.25
    mask = np.zeros((8, 8), bool)
    mask[2:5, 3:6] = True
    restorer = cheap(Gaussian(0.05 * decaying(64, 0.9)))
    faithful, draw, blend = (restorer("inpaint", picture, mask=mask, fidelity=f, steps=6) for f in (1.0, 0.0, 0.25))
    assert (faithful.answer, draw.answer, blend.answer) == ("estimate", "sample", "blend")
    assert blend.record["fidelity"] == 0.25
    wanted = 0.25 * faithful.picture.pixels + 0.75 * draw.picture.pixels
    torch.testing.assert_close(blend.picture.pixels, wanted, atol=2e-3, rtol=0)
    assert (faithful.picture.pixels - draw.picture.pixels).abs().max() > 0.1


@pytest.mark.parametrize("words", [{}, {"guidance": "ddnm"}, {"samples": 2}, {"guidance": "pigdm"}])
def test_better_quality_takes_more_evaluations_where_more_are_better(words):
    mask = np.zeros((24, 24), bool)
    mask[4:9, 4:9] = True
    calls = []
    for quality in ("fast", "balanced", "best"):
        counting = Counting(Shrinking())
        cheap(counting)("inpaint", np.full((24, 24, 3), 0.4), mask=mask, quality=quality, **words)
        calls.append(counting.calls)
    assert calls[0] < calls[1]
    # The default, pnp, gains nothing beyond.
    assert calls[1] < calls[2] if words else calls[1] == calls[2]


def test_an_unknown_quality_is_a_usage_error():
    with pytest.raises(UsageError, match="quality: 'good' is none of fast, balanced, best"):
        cheap(Shrinking())("denoise", np.full((24, 24, 3), 0.4), sigma=5, quality="good")


def test_the_best_denoising_asks_in_all_orientations():
    calls = {}
    for quality in ("fast", "balanced", "best"):
        counting = Counting(Shrinking())
        cheap(counting)("denoise", np.full((24, 24, 3), 0.4), sigma=5, quality=quality)
        calls[quality] = counting.calls
    assert calls == {"fast": 1, "balanced": 1, "best": 8}


@pytest.mark.parametrize("name", sorted(manager.load().guidances))
def test_a_name_and_its_class_are_one_method(name):
    by_name = manager.load().guidance(name)()
    assert by_name == type(by_name)()
