"""DDRM, DPS, DAPS, MMPS and TDS: laws and formulas."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussian import Gaussian, decaying, dense, exact_law, posterior
from guided import DISCRETE, KEEP, PRIOR, SHAPE, Stream, cg, measured, random, run
from photographs import crop, photo, psnr
from torch.func import jacrev

from restore.engine import reverse
from restore.errors import OperatorError, PriorError
from restore.guidance import DAPS, DDRM, DPS, MMPS, TDS, PiGDM
from restore.guidance.mmps import ShortMMPS
from restore.guidance.moments import Moments
from restore.guidance.tds import _spread
from restore.operators import JPEG, Blur, Clip, Dense, Downsample, Gray, Identity, Mask, Operator
from restore.operators.krylov import conjugate_gradients, gmres, square_root
from restore.priors import Prior
from restore.problem import Problem
from restore.sampling import samplers, schedules
from restore.sampling.noise import Noise, seed_for
from restore.testing import check_guidance

OPERATORS = {
    "identity": Identity(),
    "mask": Mask(KEEP),
    "gray": Gray(),
    "downsample": Downsample((4, 6), 2),
    "blur": Blur.gaussian((4, 6), 0.6),
    "clip": Clip(-0.5, 0.5),
}
METHODS = {
    "DDRM": DDRM(),
    "DPS": DPS(annealed=False),
    "DPS annealed": DPS(annealed=True),
    "DAPS": DAPS(langevin=5),
    "MMPS": cg(MMPS),
    "MMPS with GMRES": MMPS(gmres=True, iterations=8, spread=4),
    "MMPS of the paper": cg(MMPS, spread=0),
    "TDS": cg(TDS, particles=4),
    "TDS with GMRES": TDS(particles=4, gmres=True, spread=4, iterations=8),
    "TDS of the paper": cg(TDS, particles=4, spread=0),
}
PAIRS = [(m, o) for m, method in METHODS.items() for o, operator in OPERATORS.items() if isinstance(operator, method.needs)]
each_pair = pytest.mark.parametrize(("method", "operator"), PAIRS)


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@each_pair
def test_laws(method, operator, sigma_y):
    check_guidance(METHODS[method], measured(OPERATORS[operator], sigma_y, count=2), PRIOR, steps=3)


@pytest.mark.parametrize("method", METHODS)
def test_laws_on_trained_levels(method):
    check_guidance(METHODS[method], measured(OPERATORS["mask"], 0.1, count=2), DISCRETE, steps=3)


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@each_pair
def test_float32_stays_finite(method, operator, sigma_y):
    problem = measured(OPERATORS[operator], sigma_y, count=2)
    problem = replace(problem, y=problem.y.float())
    for steps in (1, 8):
        answer = run(METHODS[method], problem, steps=steps)
        assert bool(answer.isfinite().all())
        # DPS is tuned to one number of steps, and DAPS answers with the spread of the last level but one.
        if not isinstance(METHODS[method], DPS | DAPS):
            assert answer.abs().max() < 10


@each_pair
def test_one_measurement_serves_many_samples_with_or_without_gradients(method, operator):
    problem = measured(OPERATORS[operator], 0.1)
    guidance = METHODS[method]
    many = run(guidance, replace(problem, shape=(3, *SHAPE)))
    with torch.no_grad():
        stacked = run(guidance, replace(problem, y=problem.y.expand(3, -1, -1, -1), shape=(3, *SHAPE)))
    torch.testing.assert_close(many, stacked, atol=1e-9, rtol=0)
    assert not torch.equal(many[0], many[1])
    assert not many.requires_grad


@pytest.mark.parametrize("method", ["DDRM", "DAPS", "MMPS", "MMPS with GMRES"])
@pytest.mark.parametrize("operator", ["identity", "mask", "gray", "downsample", "blur"])
def test_noiseless_answers_explain_y(method, operator):
    problem = measured(OPERATORS[operator], 0.0, count=2)
    guidance = METHODS[method]
    if isinstance(guidance, MMPS):
        guidance = replace(guidance, iterations=72)
    error = (problem.operator(run(guidance, problem, steps=4)) - problem.y).abs().max()
    assert error < (1e-6 if isinstance(guidance, MMPS) else 1e-10)


@pytest.mark.parametrize(
    ("guidance", "operator", "message"),
    [
        (DDRM(), Clip(), "DDRM needs a Spectral operator, got Clip"),
        (cg(MMPS), JPEG(50), "MMPS needs a Linear operator, got JPEG"),
    ],
)
def test_refuses_an_operator_it_cannot_use(guidance, operator, message):
    with pytest.raises(OperatorError, match=message):
        guidance.check(Problem(torch.zeros(1, 3, 16, 16), operator, 0.0, (1, 3, 16, 16)))


class Counting(Prior):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.channels, self.levels, self.calls = inner, inner.channels, inner.levels, 0

    def denoise(self, x, sigma):
        self.calls += 1
        return self.inner.denoise(x, sigma)


@pytest.mark.parametrize(
    ("method", "each"), [("DDRM", 1), ("DPS", 1), ("DPS annealed", 1), ("DAPS", 5), ("MMPS", 1), ("TDS", 1)]
)
def test_evaluations_of_the_prior(method, each):
    prior = Counting(PRIOR)
    run(METHODS[method], measured(OPERATORS["mask"], 0.1), prior, steps=6)
    assert prior.calls == 6 * each


# DDRM


class Told(Prior):
    def __init__(self, x0):
        super().__init__()
        self.x0, self.channels = x0, x0.shape[1]

    def denoise(self, x, sigma):
        return self.x0.expand_as(x)


@pytest.mark.parametrize(("sigma_y", "after"), [(0.0, 0.3), (0.05, 0.3), (0.5, 0.3), (0.5, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("eta_b", [1.0, 0.6])
def test_ddrm_is_its_equations_in_the_dense_basis(sigma_y, after, eta_b):
    problem = measured(OPERATORS["downsample"], sigma_y)
    x, x0, z = random(1, *SHAPE, seed=2), random(1, *SHAPE, seed=3), random(1, *SHAPE, seed=4)
    sigma, after = torch.tensor([0.9, after], dtype=torch.float64)
    guidance = DDRM(eta=0.7, eta_b=eta_b)
    found = guidance.step(problem, Told(x0), guidance.sampler(), x, sigma, after, lambda like: z)
    u, s, vt = torch.linalg.svd(dense(problem.operator, SHAPE))
    c, d, e = vt @ x.flatten(), vt @ x0.flatten(), vt @ z.flatten()
    wanted = d + (1 - 0.49) ** 0.5 * after * (c - d) / sigma + 0.7 * after * e
    m, n = (u.T @ problem.y.flatten()) / s, sigma_y / s
    rank = len(s)
    for i in range(rank):
        if n[i] > after:
            wanted[i] = d[i] + (1 - 0.49) ** 0.5 * after * (m[i] - d[i]) / n[i] + 0.7 * after * e[i]
        else:
            wanted[i] = (1 - eta_b) * d[i] + eta_b * m[i] + (after**2 - (eta_b * n[i]) ** 2).sqrt() * e[i]
    torch.testing.assert_close(found.flatten(), vt.T @ wanted, atol=1e-10, rtol=0)


def test_ddrm_begins_at_the_level_with_the_variance_of_the_level():
    problem = replace(measured(OPERATORS["downsample"], 0.5), shape=(4000, *SHAPE))
    sigma = torch.tensor(2.0, dtype=torch.float64)
    x = DDRM().start(problem, sigma, Noise(range(4000)))
    assert (x.var(dim=0).mean() + (0.5**2 / problem.operator.s**2).mean() * 6 * 3 / 72) == pytest.approx(4.0, rel=0.02)
    seen = problem.operator.vt(x).mean(dim=0)
    torch.testing.assert_close(seen, problem.operator.ut(problem.y)[0] / problem.operator.s[0].double(), atol=0.2, rtol=0)


# DPS


@pytest.mark.parametrize("operator", ["mask", "downsample", "clip"])
def test_dps_is_the_papers_step_in_its_own_coordinates(operator):
    problem = measured(OPERATORS[operator], 0.1, count=2)
    sigma, after = torch.tensor([0.9, 0.6], dtype=torch.float64)
    a, b = (1 / (1 + level**2).sqrt() for level in (sigma, after))
    x = random(2, *SHAPE, seed=2)
    scaled = (a * x).requires_grad_()  # x_t of the paper.
    x0 = PRIOR(scaled / a, sigma)
    norms = (problem.y - problem.operator(x0)).flatten(1).norm(dim=1)
    (gradient,) = torch.autograd.grad(norms.sum(), scaled)
    z = random(2, *SHAPE, seed=3)
    unguided = samplers.ddim(1.0)(PRIOR, x, sigma, after, lambda like: z)
    wanted = (b * unguided - 0.7 * gradient) / b
    found = DPS(zeta=0.7, annealed=False).step(problem, PRIOR, samplers.ddim(1.0), x, sigma, after, lambda like: z)
    torch.testing.assert_close(found, wanted.detach(), atol=1e-10, rtol=0)


def test_annealed_dps_is_the_score_of_its_likelihood():
    problem = measured(OPERATORS["downsample"], 0.3)
    sigma = torch.tensor(0.9, dtype=torch.float64)
    x = random(1, *SHAPE, seed=2).requires_grad_()
    square = (problem.y - problem.operator(PRIOR(x, sigma))).square().sum()
    (score,) = torch.autograd.grad(-square / (2 * (0.3**2 + sigma**2)), x)
    found = DPS(annealed=True).step(problem, PRIOR, samplers.ddim(1.0), x, sigma, 0 * sigma, None)
    torch.testing.assert_close(found, (PRIOR(x, sigma) + sigma**2 * score).detach(), atol=1e-10, rtol=0)


# DAPS


class Hidden(Operator):
    """A linear operator that does not say so: Langevin dynamics instead of the exact draw."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, x):
        return self.inner(x)

    def pinv(self, y):
        return self.inner.pinv(y)


@pytest.mark.parametrize("r", [2.0, 0.1])
@pytest.mark.parametrize("operator", [Mask(KEEP), Hidden(Mask(KEEP))], ids=["exact", "langevin"])
def test_daps_draws_with_the_noise_stated(operator, r):
    count, sigma_y = 1000, 0.2
    problem = replace(measured(operator, sigma_y), shape=(count, *SHAPE))
    x0, level = random(1, *SHAPE, seed=7), torch.tensor(r, dtype=torch.float64)
    draws = DAPS()._draw(problem, x0.expand(count, -1, -1, -1), level, Stream())
    keep = KEEP.expand(1, *SHAPE)
    precision = 1 / r**2 + keep.double() / sigma_y**2
    mean = (x0 / r**2 + keep * problem.y / sigma_y**2) / precision
    ratio = draws.var(dim=0, keepdim=True) * precision
    for part in (keep, ~keep):
        assert ratio[part].mean() == pytest.approx(1, abs=0.04)
    assert ((draws.mean(dim=0, keepdim=True) - mean) * (count * precision).sqrt()).abs().max() < 4.5


# MMPS


class Bent(Prior):
    """Not linear, and no symmetric Jacobian: D = tanh(M x) / (1 + sigma)."""

    def __init__(self):
        super().__init__()
        self.channels, self.matrix = 3, random(72, 72, seed=8) / 30 + torch.eye(72, dtype=torch.float64) / 2

    def denoise(self, x, sigma):
        return (x.flatten(1) @ self.matrix.T).tanh().reshape(x.shape) / (1 + sigma[:, None, None, None])


@pytest.mark.parametrize(("prior", "gmres"), [(PRIOR, False), (PRIOR, True), (Bent(), True)])
@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("operator", ["identity", "mask", "gray", "downsample", "blur"])
def test_mmps_estimate_equals_its_formula(operator, sigma_y, prior, gmres):
    problem = measured(OPERATORS[operator], sigma_y, count=2)
    matrix = dense(problem.operator, SHAPE)
    x, sigma = random(2, *SHAPE, seed=2), torch.tensor(0.6, dtype=torch.float64)
    found = MMPS(iterations=72, gmres=gmres, spread=4).estimate(problem, prior, x, sigma)
    for index in range(2):
        jacobian = jacrev(lambda flat: prior(flat.reshape(1, *SHAPE), sigma).flatten())(x[index].flatten())
        covariance, x0 = sigma**2 * jacobian.T, prior(x, sigma)[index].flatten()
        inner = matrix @ covariance @ matrix.T + sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
        solved = torch.linalg.pinv(inner, rtol=1e-10) @ (problem.y[index].flatten() - matrix @ x0)
        torch.testing.assert_close(found[index].flatten(), x0 + covariance @ matrix.T @ solved, atol=1e-7, rtol=0)


@pytest.mark.parametrize("last", [0.0, 0.026, 1.0])
@pytest.mark.parametrize("steps", [1, 3, 20])
@pytest.mark.parametrize("sigma_y", [0.0])
def test_drawing_mmps_is_exact_for_gaussian_pictures_at_any_number_of_steps_and_last_level(sigma_y, steps, last):
    prior = Gaussian(decaying(12))
    keep = torch.tensor([1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1]).bool().reshape(1, 1, 1, 12)
    problem = measured(Mask(keep), sigma_y, prior=prior, shape=(1, 1, 12))
    truth = posterior(problem, prior)
    law = exact_law(
        problem,
        prior,
        cg(MMPS, iterations=12, spread=12),
        samplers.ddim(),
        schedules.karras(1e4, last or 0.002, steps).double(),
    )
    torch.testing.assert_close(law.mean, truth.mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(law.covariance, truth.covariance, atol=1e-5, rtol=0)


def test_short_mmps_takes_as_many_levels_and_none_below_its_last():
    problem = measured(Mask(KEEP), 0.0)
    assert [ShortMMPS().preset(quality)[1] for quality in ("fast", "balanced", "best")] == [8, 15, 38]
    for prior in (PRIOR, DISCRETE):
        levels = ShortMMPS().schedule(prior, problem, 15)
        assert len(levels) == 16
        assert levels[-2] == pytest.approx(0.026, abs=0.002)
        assert levels[0] == MMPS().schedule(prior, problem, 15)[0]
    for last in (0.0, 1e-9, 1e9):  # Outside the prior's range.
        assert torch.equal(MMPS(sigma_end=last).schedule(PRIOR, problem, 9), MMPS().schedule(PRIOR, problem, 9))


def test_drawing_mmps_draws_from_the_noisy_posterior_in_one_step():
    prior, count = Gaussian(decaying(6)), 4000
    problem = measured(three_means(), 0.3, prior=prior, shape=(1, 1, 6))
    truth = posterior(problem, prior)
    answers = run(cg(MMPS, iterations=6, spread=6), replace(problem, shape=(count, 1, 1, 6)), prior, steps=1).flatten(1)
    assert ((answers.mean(0) - truth.mean) / (truth.covariance.diagonal() / count).sqrt()).abs().max() < 4
    torch.testing.assert_close(torch.cov(answers.T), truth.covariance, atol=0.05, rtol=0)


def three_means():
    return Dense(random(3, 6, seed=5), (1, 1, 6))


def test_the_first_search_direction_of_mmps_is_pigdms():
    problem = measured(OPERATORS["downsample"], 0.2)
    x, sigma = random(1, *SHAPE, seed=2), torch.tensor(0.6, dtype=torch.float64)
    x0 = PRIOR(x, sigma)
    ours, theirs = (guidance.estimate(problem, PRIOR, x, sigma) - x0 for guidance in (cg(MMPS, iterations=1), PiGDM()))
    assert torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) == pytest.approx(1)


# TDS


@pytest.mark.parametrize("gmres", [False, True])
def test_tds_says_so_when_it_diverged_instead_of_answering_nonsense(gmres):
    guidance = TDS(particles=2, gmres=gmres, spread=4, iterations=8)
    problem = Problem(torch.zeros(1, 1, 1, 8), Identity(), 0.3, (1, 1, 1, 8))
    sigma = torch.tensor(0.1)
    for size in (1.0, 1e9, torch.nan):
        state = torch.full((1, 2, 9), size)
        step = (problem, Gaussian(decaying(8)), samplers.ddim(), state, sigma, torch.tensor(0.0), Noise([0]))
        if size == 1.0:
            assert bool(guidance.step(*step).isfinite().all())
        else:
            with pytest.raises(PriorError, match=r"tds diverged on this prior; more" if gmres else "gmres=1"):
                guidance.step(*step)


@pytest.mark.parametrize(
    ("sigma_y", "full", "gmres"),
    [
        *((sigma_y, full, False) for sigma_y in (0.0, 0.2) for full in (False, True)),
        (0.0, False, True),
        (0.2, True, True),
        *(pytest.param(*case, True, marks=pytest.mark.slow) for case in ((0.0, True), (0.2, False))),
    ],
)
def test_the_twist_of_tds_is_the_likelihood_of_y(sigma_y, full, gmres):
    problem = measured(OPERATORS["downsample"], sigma_y)
    x, sigma = random(5, *SHAPE, seed=2), torch.tensor(0.6, dtype=torch.float64)
    guidance = TDS(iterations=90, dense=18 if full else 0, gmres=gmres, particles=16, spread=4)
    twist = guidance.twist(problem, Moments(PRIOR, x, sigma), sigma)
    matrix = dense(problem.operator, SHAPE)
    covariance = torch.linalg.inv(torch.linalg.inv(PRIOR.covariance) + torch.eye(72, dtype=torch.float64) / sigma**2)
    mean, y = PRIOR(x, sigma), problem.y.flatten()

    def law(mean, covariance):
        spread = matrix @ covariance @ matrix.T + sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
        return torch.distributions.MultivariateNormal(mean.flatten(1) @ matrix.T, (spread + spread.T) / 2)

    def check(found, wanted, tolerance):
        constant = len(matrix) / 2 * math.log(2 * math.pi) + (0 if full else wanted.covariance_matrix.logdet() / 2)
        torch.testing.assert_close(found.flatten() - constant, wanted.log_prob(y), atol=tolerance, rtol=0)

    check(twist.seen(), law(mean, covariance), 1e-7)
    # A second sight of x0.
    g, precision = random(5, *SHAPE, seed=3), torch.tensor(1.7, dtype=torch.float64)
    after = torch.linalg.inv(torch.linalg.inv(covariance) + precision * torch.eye(72, dtype=torch.float64))
    moved = mean + precision * ((g - mean).flatten(1) @ after).reshape(mean.shape)
    check(twist.foretold(g, precision), law(moved, after), 0.02)  # `_sharpened` stops early.
    # The draw.
    x0 = random(5, *SHAPE, seed=4)
    inner = matrix @ covariance @ matrix.T + sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
    change = torch.linalg.solve(inner, (y - x0.flatten(1) @ matrix.T).T).T @ matrix @ covariance
    torch.testing.assert_close(twist.conditioned(x0, twist.y) - x0, change.reshape(x0.shape), atol=1e-7, rtol=0)


def test_systematic_resampling_keeps_shares():
    weight = torch.tensor([[0.1, 0.2, 0.3, 0.4], [1.0, 0, 0, 0]]).log()
    for uniform in (0.01, 0.5, 0.99):
        chosen = _spread(weight, torch.full((2, 1), uniform, dtype=torch.float64), 10)
        assert torch.bincount(chosen[0]).tolist() == [1, 2, 3, 4]
        assert not chosen[1].any()


@pytest.mark.parametrize("dense", [0, 16])
@pytest.mark.parametrize(("spread", "steps", "least"), [(6, 4, 0.0), (0, 500, 0.0), (0, 4, 0.5)])
def test_tds_weighs_nothing_where_the_twist_and_the_walk_are_exact(spread, steps, least, dense):
    # Gaussian pictures: at any number of steps with drawn ones, with the paper's only if steps are small.
    prior = Gaussian(decaying(6))
    keep = torch.tensor([1, 1, 0, 0, 1, 0]).bool().reshape(1, 1, 1, 6)
    problem = measured(Mask(keep), 0.1, prior=prior, shape=(1, 1, 6))
    schedule, noise = schedules.geometric(3.0, 0.3, steps).double()[:-1], Noise([0])
    guidance = cg(TDS, share=0, spread=spread, dense=dense, iterations=12)

    def weighed(state, sigma):
        moments = Moments(prior, state[0, :, 1:].reshape(-1, 1, 1, 6), sigma)
        return state[0, :, 0] + guidance.twist(problem, moments, sigma).seen().flatten()

    state = guidance.start(problem, schedule[0], noise)
    begun = weighed(state, schedule[0])
    for sigma, after in itertools.pairwise(schedule):
        state = guidance.step(problem, prior, samplers.ddim(), state, sigma, after, noise)
    assert begun.std() > 0.5
    change = float((weighed(state, schedule[-1]) - begun).std())
    assert change > least if least else change < 0.1


class Twisted(Gaussian):
    """D with a Jacobian that is not symmetric, as no true D has and a learned one may: part of every pixel's noise turns up at
    the next pixel."""

    def denoise(self, x, sigma):
        x0 = super().denoise(x, sigma)
        return x0 + 0.8 * (x0.roll(1, -1) - x0)


def test_gmres_keeps_tds_on_a_prior_whose_jacobian_is_not_symmetric():
    keep = torch.arange(24).reshape(1, 1, 1, 24) % 4 != 0
    problem = measured(Mask(keep), 0.0, prior=Gaussian(decaying(24)), shape=(1, 1, 24))
    x, sigma = random(1, 1, 1, 24, seed=3), torch.tensor(0.5, dtype=torch.float64)

    def residual(gmres):
        guidance = TDS(gmres=gmres, dense=0, iterations=int(keep.sum()), particles=16, spread=4)
        twist = guidance.twist(problem, Moments(Twisted(decaying(24)), x, sigma), sigma)
        return float((problem.operator(twist.conditioned(twist.moments.mean, twist.y)) - problem.y).abs().max())

    assert residual(gmres=True) < 1e-6
    assert residual(gmres=False) > 1


@pytest.mark.parametrize("steps", [1, 3])
def test_one_particle_of_tds_draws_from_the_posterior_of_gaussian_pictures_at_any_number_of_steps(steps):
    prior, count = Gaussian(decaying(6)), 4000
    problem = measured(three_means(), 0.3, prior=prior, shape=(1, 1, 6))
    truth = posterior(problem, prior)
    guidance = cg(TDS, particles=1, spread=6)
    schedule = schedules.karras(100.0, 0.002, steps).double()
    many = replace(problem, shape=(count, 1, 1, 6))
    *_, answers = reverse(many, prior, guidance, guidance.sampler(), schedule, Stream(5))
    answers = answers.flatten(1)
    assert ((answers.mean(0) - truth.mean) / (truth.covariance.diagonal() / count).sqrt()).abs().max() < 4
    torch.testing.assert_close(torch.cov(answers.T), truth.covariance, atol=0.05, rtol=0)


# Krylov methods


@pytest.mark.parametrize("gmres", [False, True])
def test_a_step_of_mmps_takes_no_product_but_those_of_its_solver_and_its_spread(monkeypatch, gmres):
    taken, covariance = [], Moments.covariance
    monkeypatch.setattr(Moments, "covariance", lambda self, v: taken.append(v) or covariance(self, v))
    problem, sigma = measured(OPERATORS["mask"], 0.2, count=1), torch.tensor(0.6, dtype=torch.float64)
    noise = Noise([seed_for(0)])
    guidance = MMPS(iterations=5, spread=3, gmres=gmres)
    guidance.step(problem, PRIOR, guidance.sampler(), random(1, *SHAPE, seed=2), sigma, sigma / 2, noise)
    assert len(taken) == 5 + 3


def matrices(*values):
    basis = torch.linalg.qr(random(8, 8, seed=1)).Q
    return (basis * torch.tensor(values, dtype=torch.float64)) @ basis.T


def product(matrix):
    return lambda v: (v.flatten(1) @ matrix.T).reshape(v.shape)


def test_solvers_and_roots_of_singular_and_indefinite_matrices():
    v = random(3, 1, 2, 4)
    singular = matrices(5, 4, 3, 2, 1, 0.1, 0, 0)
    seen = product(singular)(v)
    seen[1] = 0
    wanted = product(torch.linalg.pinv(singular))(seen)
    torch.testing.assert_close(conjugate_gradients(product(singular), seen, 60), wanted, atol=1e-8, rtol=0)
    torch.testing.assert_close(gmres(product(singular), seen, 8, lambda r: r), wanted, atol=1e-8, rtol=0)
    torch.testing.assert_close(conjugate_gradients(product(singular), seen, 0), 0 * seen)
    root = matrices(*torch.tensor([5, 4, 3, 2, 1, 0.1, 0, 0]).sqrt().tolist())
    torch.testing.assert_close(square_root(product(singular), v, 8), product(root)(v), atol=1e-6, rtol=0)
    torch.testing.assert_close(square_root(product(singular), 0 * v, 8), 0 * v)
    indefinite = product(matrices(5, 4, 3, 2, 1, -1, -0.1, 0))
    for answer in (
        conjugate_gradients(indefinite, v, 30),
        gmres(indefinite, v, 30, lambda r: r),
        square_root(indefinite, v, 30),
    ):
        assert bool(answer.isfinite().all())
    # Not symmetric.
    lopsided = random(8, 8, seed=4) + 4 * torch.eye(8)
    wanted = torch.linalg.solve(lopsided, v.flatten(1).T).T.reshape(v.shape)
    torch.testing.assert_close(gmres(product(lopsided), v, 8, lambda r: r / 2), wanted, atol=1e-8, rtol=0)


def test_moments_are_the_gaussian_ones_and_ask_the_prior_once():
    prior = Counting(PRIOR)
    x, sigma, v = random(2, *SHAPE), torch.tensor(0.7, dtype=torch.float64), random(2, *SHAPE, seed=1)
    moments = Moments(prior, x, sigma)
    precision = torch.linalg.inv(PRIOR.covariance) + torch.eye(72, dtype=torch.float64) / sigma**2
    for _ in range(2):
        wanted = torch.linalg.solve(precision, v.flatten(1).T).T.reshape(v.shape)
        torch.testing.assert_close(moments.covariance(v), wanted, atol=1e-9, rtol=0)
    torch.testing.assert_close(moments.mean, PRIOR(x, sigma))
    assert prior.calls == 1


def test_gradient_methods_by_name_restore_a_photograph_with_the_bundled_prior():
    clean = crop("chelsea", 60, 140, 64)
    mask = (np.random.default_rng(0).random((64, 64)) < 0.5) * np.uint8(255)
    for name in ("mmps", "pigdm"):
        found = photo()("inpaint", clean, mask=mask, guidance=name, steps=15).image
        assert psnr(found, clean, mask > 0) > 24, name  # Conjugate gradients, or a start at sigma 80, gave less than 10.
