"""Priors on latents: with a codec that is an orthogonal matrix every method is its twin on pixels, to rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gaussian import Gaussian
from guided import PRIOR, SHAPE, Stream, measured, random
from torch import Tensor
from torch.nn import functional as F

from restore.engine import reverse
from restore.errors import OperatorError, PriorError, UsageError
from restore.guidance import (
    DAPS,
    DDNM,
    DPS,
    PSLD,
    BlendedLatents,
    Conditioned,
    DiffPIR,
    Guidance,
    LatentDAPS,
    LatentDDNM,
    LatentDiffPIR,
    LatentDPS,
    RePaint,
    ReSample,
    SDEdit,
    Unconditional,
)
from restore.guidance.blended_latents import known_cells
from restore.operators import Blur, Downsample, Gray, Identity, Mask
from restore.planning.dry_run import dry_run
from restore.planning.methods import for_latents, suited
from restore.priors import Prior
from restore.priors.latent.codec import Blocks, Codec, Pixels
from restore.priors.latent.conditions import Conditions
from restore.priors.latent.decoded import Decoded
from restore.priors.latent.latent import Latent
from restore.problem import Problem
from restore.sampling.noise import Noise, seed_for
from restore.solving import solver

MIX = torch.linalg.qr(random(12, 12, seed=9))[0]
FACTOR = 2
ALIGNED = torch.ones(1, 1, *SHAPE[1:], dtype=torch.bool)
ALIGNED[..., 2:, 2:4] = False


class Orthogonal(Codec):
    """Cells of 2x2 pixels of 3 channels, turned in their 12 dimensions."""

    def __init__(self) -> None:
        super().__init__(12, 3, FACTOR)

    def _encode(self, x: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", MIX.to(x), F.pixel_unshuffle(x, FACTOR))

    def _decode(self, z: Tensor) -> Tensor:
        return F.pixel_shuffle(torch.einsum("ij,bihw->bjhw", MIX.to(z), z), FACTOR)


class Turned(Prior):
    """The prior of the codes of pictures: D_z(z) = E(D(G(z))), as E keeps lengths."""

    channels = 12

    def __init__(self, prior: Gaussian, codec: Codec) -> None:
        super().__init__()
        self.inner, self.coder = prior, codec

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.coder._encode(self.inner(self.coder._decode(x), sigma))


CODEC = Orthogonal()
LATENT = Latent(Turned(PRIOR, CODEC), CODEC)


def ran(guidance: Guidance, problem: Problem, prior: Prior, steps: int, codec: Codec) -> Tensor:
    """The pictures of a run. Noise is drawn for pictures and encoded, so that twins have the same."""
    schedule = guidance.schedule(PRIOR, problem, steps).double()
    drawn = Noise([seed_for(0)])

    def noise(like: Tensor) -> Tensor:
        return codec.encode(drawn(torch.empty(1, *SHAPE, dtype=torch.float64)))

    *_, answer = reverse(problem, prior, guidance, guidance.sampler(), schedule, noise)
    return codec.decode(answer, (SHAPE[1], SHAPE[2]))


MASKED = measured(Mask(ALIGNED), 0.0)
NOISY = measured(Mask(ALIGNED), 0.1)
EXACT = measured(Downsample.between((4, 6), (2, 3), "box"), 0.0)
SMALL = measured(Downsample.between((4, 6), (2, 3), "box"), 0.05)
TWINS: list[tuple[Guidance, Guidance, Problem]] = [
    (BlendedLatents(), RePaint(repeat=1), MASKED),
    (BlendedLatents(jump=2, repeat=3), RePaint(jump=2, repeat=3), MASKED),
    (LatentDDNM(), DDNM(), MASKED),
    (LatentDDNM(eta=0.3), DDNM(eta=0.3), EXACT),
    (LatentDiffPIR(), DiffPIR(), MASKED),
    (LatentDiffPIR(), DiffPIR(), NOISY),
    (LatentDiffPIR(weight=3.0), DiffPIR(weight=3.0), SMALL),
    (LatentDPS(), DPS(annealed=False), NOISY),
    (LatentDPS(zeta=0.3), DPS(annealed=False, zeta=0.3), SMALL),
    (LatentDPS(annealed=True), DPS(), SMALL),
    (DPS(), DPS(), NOISY),
    # A mask's A+ keeps lengths, so the gluing term is another residual.
    (PSLD(eta=0.7, gamma=0.3), DPS(annealed=False), MASKED),
    (Conditioned(strength=0.5), Unconditional(), MASKED),
]


@pytest.mark.parametrize(("ours", "twin", "problem"), TWINS, ids=lambda value: type(value).__name__)
def test_a_method_on_orthogonal_latents_is_its_twin_on_pixels(ours: Guidance, twin: Guidance, problem: Problem) -> None:
    if isinstance(ours, Conditioned):
        twin = SDEdit(strength=0.5)
        found = ran(replace(ours), CODEC.enter(problem), LATENT, 6, CODEC)
        schedule = twin.schedule(PRIOR, problem, 6).double()
        drawn = Noise([seed_for(0)])
        *_, wanted = reverse(problem, PRIOR, twin, ours.sampler(), schedule, drawn)
    else:
        found = ran(ours, CODEC.enter(problem), LATENT, 6, CODEC)
        wanted = ran(twin, problem, PRIOR, 6, Pixels(3))
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("in_latents", [False, True])
@pytest.mark.parametrize("problem", [MASKED, SMALL], ids=["mask", "small"])
def test_consistent_latents_explain_y_and_nothing_else_moves(problem: Problem, in_latents: bool) -> None:
    """Both optimisations end where the residual is that of rounding or noise, and move z0 in the row space of A alone."""
    z0 = 0.3 * random(1, 12, 2, 3, seed=4)
    method = ReSample(iterations=400, latent_rate=0.02, pixel_rate=0.02)
    found = method.consistent(CODEC.enter(problem), z0, in_latents=in_latents)
    before, after = (CODEC.decode(z, (4, 6)) for z in (z0, found))
    operator = problem.operator
    left = float((problem.y - operator(after)).square().mean().sqrt())
    assert left <= max(problem.sigma_y, 1 / 255) * 1.001
    if isinstance(operator, Mask):  # Adam's steps are of each value, so other operators' row spaces are left in latents.
        moved = (after - before).masked_fill(operator.keep.expand_as(after), 0.0)
        if not in_latents:
            assert float(moved.abs().max()) < 1e-12
        assert float((after - before).abs().max()) > 0.05


def test_resampling_has_the_mean_and_variance_of_the_paper() -> None:
    """Equation 10 in the paper's own coordinates z_t = sqrt(abar) z, without our conversions."""
    method, sigma, sigma_next = ReSample(), torch.tensor(1.0).double(), torch.tensor(0.6).double()
    problem = CODEC.enter(MASKED)
    z = random(1, 12, 2, 3, seed=8)
    z0 = LATENT(z, sigma)
    explained = method.consistent(problem, z0, in_latents=False)
    abar, before = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
    stepped = (z0 + sigma_next / sigma * (z - z0)) * before.sqrt()
    g = 40 * (1 - before) / abar * (1 - abar / before)
    mean = (g * before.sqrt() * explained + (1 - before) * stepped) / (g + 1 - before)
    variance = g * (1 - before) / (g + 1 - before)
    for drawn in (torch.zeros_like(z), torch.ones_like(z)):
        found = method.step(problem, LATENT, method.sampler(), z, sigma, sigma_next, lambda like, drawn=drawn: drawn)
        torch.testing.assert_close(found * before.sqrt(), mean + variance.sqrt() * drawn, rtol=1e-10, atol=1e-10)


def test_a_solve_in_latents_ends_in_pixels_that_explain_y() -> None:
    problem = Problem(MASKED.y.float(), MASKED.operator, 0.0, MASKED.shape)
    result = solver.last(solver.solve(problem, LATENT.float(), steps=5))
    assert result.x.shape == (1, *SHAPE)
    assert result.answer == "sample"
    assert float(((result.x - problem.y.clamp(-1, 1)) * ALIGNED).abs().max()) <= 1e-3
    several = solver.last(solver.solve(problem, LATENT, steps=5, samples=3))
    assert several.samples.shape == (3, *SHAPE)
    assert several.std is not None


def test_previews_are_pictures() -> None:
    problem = Problem(MASKED.y.float(), MASKED.operator, 0.0, MASKED.shape)
    first = next(iter(solver.solve(problem, LATENT, steps=3)))
    assert first.preview.shape == SHAPE


@pytest.mark.parametrize("height", range(2, 9))
def test_pictures_of_any_size_have_whole_cells(height: int) -> None:
    picture = random(1, 3, height, 7)
    code = CODEC.encode(picture)
    assert tuple(code.shape[-2:]) == CODEC.cells(height, 7)
    torch.testing.assert_close(CODEC.decode(code, (height, 7)), picture)


def test_a_picture_smaller_than_a_cell_is_one_line() -> None:
    problem = Problem(torch.zeros(1, 3, 1, 9), Identity(), 0.1, (1, 3, 1, 9))
    with pytest.raises(PriorError, match="works on cells of 2x2 pixels, and the picture has 9x1"):
        CODEC.enter(problem)


def test_a_cell_is_known_if_all_its_pixels_are() -> None:
    keep = torch.ones(1, 3, 5, 7, dtype=torch.bool)
    keep[:, 1, 2, 3] = False  # One channel of one pixel.
    operator = Decoded(Mask(keep), CODEC, (5, 7))
    wanted = torch.ones(1, 1, 3, 4, dtype=torch.bool)
    wanted[..., 1, 1] = False
    assert torch.equal(known_cells(operator), wanted)
    assert torch.equal(known_cells(operator, 1), ~F.max_pool2d((~wanted).float(), 3, 1, 1).bool())


@pytest.mark.parametrize(
    ("operator", "method"),
    [(Mask(ALIGNED), BlendedLatents), (Blur.gaussian((4, 6), 1.0), LatentDiffPIR), (Gray(), LatentDiffPIR)],
)
def test_the_default_method_is_one_for_latents(operator: Any, method: type) -> None:
    problem = measured(operator, 0.1)
    assert type(for_latents(Decoded(operator, CODEC, (4, 6)))) is method
    entered = CODEC.enter(problem)
    assert type(suited(None, entered, DiffPIR())) is method  # The task's own works on pixels.
    assert suited(None, entered, SDEdit()) == SDEdit()
    assert type(suited("conditioned", entered, SDEdit())) is Conditioned


@pytest.mark.parametrize(
    ("method", "operator", "said"),
    [
        (BlendedLatents(), Gray(), "BlendedLatents needs a Mask operator on the decoded picture, got Gray"),
        (LatentDDNM(), Gray(), "LatentDDNM takes measurements without noise; name latent-diffpir, or sigma=0"),
        (DiffPIR(), Gray(), "DiffPIR needs a Linear operator, got Decoded"),
    ],
)
def test_what_a_method_needs_is_said_before_the_run(method: Guidance, operator: Any, said: str) -> None:
    problem = measured(operator, 0.1)
    with pytest.raises(OperatorError, match=said):
        solver.solve(replace(problem, y=problem.y.float()), LATENT, method)


def test_methods_of_latents_refuse_priors_of_pixels() -> None:
    with pytest.raises(OperatorError, match="PSLD needs a prior on latents; this one works on pixels"):
        solver.solve(replace(MASKED, y=MASKED.y.float()), PRIOR, PSLD())


@pytest.mark.parametrize("method", [BlendedLatents(), LatentDDNM(), LatentDiffPIR(), LatentDPS(), PSLD(), ReSample()])
def test_a_dry_run_counts_without_the_codec(method: Guidance) -> None:
    """The codec of a dry run has the shapes of the real one and no network."""
    problem = CODEC.enter(MASKED)
    small = problem.operator.resized((8, 8))
    assert isinstance(small, Decoded)
    assert type(small.codec) is Blocks
    found = dry_run(problem, LATENT, method, method.sampler(), method.schedule(PRIOR, problem, 5))
    assert len(found.asked) == 5
    assert found.gradients == (5 if isinstance(method, LatentDPS | PSLD) else 0)


@pytest.mark.parametrize(("name", "method"), [(None, BlendedLatents), ("conditioned", Conditioned)])
def test_the_strength_of_a_task_is_that_of_the_method(name: str | None, method: type) -> None:
    found = suited(name, CODEC.enter(MASKED), RePaint(strength=0.3))
    assert found == method(strength=0.3)


@pytest.mark.parametrize("prior", [LATENT, PRIOR], ids=["latents", "pixels"])
def test_little_strength_leaves_what_is_under_the_mask(prior: Prior) -> None:
    """The less noise, the nearer the hole stays to what was there; at the highest level nothing of it is left."""
    x = 0.5 * random(1, *SHAPE, seed=2).float().clamp(-1, 1)
    problem = Problem(x * ALIGNED, Mask(ALIGNED), 0.0, (1, *SHAPE), start=x)
    moved = []
    for strength in (0.1, 0.9):
        method = suited(None, prior.codec.enter(problem), RePaint(strength=strength, repeat=1))
        found = solver.last(solver.solve(problem, prior, method, steps=6)).x
        moved.append(float((found - x).square().mean()))
    assert moved[0] < 0.25 * moved[1]


class Louder(Orthogonal):
    """A codec whose pictures are six times as large as its latents: a decoder of norm 6."""

    def _encode(self, x: Tensor) -> Tensor:
        return super()._encode(x) / 6

    def _decode(self, z: Tensor) -> Tensor:
        return 6 * super()._decode(z)


@pytest.mark.parametrize("operator", [Mask(ALIGNED), Downsample.between((4, 6), (2, 3), "box"), Blur.gaussian((4, 6), 1.0)])
def test_the_gain_of_a_decoder_is_found(operator: Any) -> None:
    """The largest singular value, from a matrix made column by column."""
    codec = Louder()
    decoded = Decoded(operator, codec, (4, 6))
    matrix = torch.stack([decoded(one.reshape(1, 12, 2, 3)).flatten() for one in torch.eye(72, dtype=torch.float64)], dim=1)
    problem = Problem(operator(torch.zeros(1, *SHAPE).double()), decoded, 0.1, (1, 12, 2, 3))
    found = LatentDAPS(power=60).gain(problem, random(1, 12, 2, 3))
    assert float(found) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)) ** 2, rel=0.01)


def test_dynamics_through_a_loud_decoder_have_the_posteriors_mean() -> None:
    """Of N(0, r^2) and a measurement of all pixels, z0 has a mean in closed form; of many draws it is that within 5 errors.

    With the step for an operator of norm 1 they diverge.
    """
    codec, count, r, sigma_y = Louder(), 400, torch.tensor(0.5).double(), 0.5
    y = random(1, *SHAPE, seed=3)
    operator = Decoded(Identity(), codec, (4, 6))
    problem = Problem(y.expand(count, -1, -1, -1), operator, sigma_y, (count, 12, 2, 3))
    noise = Stream()
    drawn = LatentDAPS(langevin=60)._draw(problem, torch.zeros(count, 12, 2, 3).double(), r, noise)
    precision = 1 / r**2 + 36 / sigma_y**2
    wanted = 6 / sigma_y**2 * Orthogonal()._encode(y) / precision
    off = (drawn.mean(0) - wanted[0]) * (precision * count).sqrt()
    assert float(off.abs().max()) < 5
    assert float(drawn.var(0).mean() * precision) == pytest.approx(1, abs=0.1)
    plain = DAPS(langevin=60, floor=0.01)._draw(problem, torch.zeros(count, 12, 2, 3).double(), r, noise)
    assert not float(plain.abs().max()) < 1e3


def test_views_keep_the_codec_and_pass_conditions_on() -> None:
    from restore.priors.views.self_ensemble import PeriodicalSelfEnsemble

    view = PeriodicalSelfEnsemble(LATENT)
    assert view.codec is CODEC
    assert view.given(Conditions()).codec is CODEC
    with pytest.raises(UsageError, match="prompt: "):
        view.given(Conditions(prompt="a cat"))


def test_the_engine_knows_no_latents() -> None:
    source = Path(reverse.__code__.co_filename).read_text()
    assert "latent" not in source.lower()
    assert "codec" not in source.lower()
