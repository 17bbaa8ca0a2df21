import math
from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from gaussian import Gaussian, decaying, dense, exact_law, posterior, wasserstein
from guided import DISCRETE, KEEP, LEVELS, PRIOR, SHAPE, measured, random, run
from torch.func import jacrev

from restore.engine import reverse
from restore.errors import OperatorError, UsageError
from restore.guidance import (
    DAPS,
    DDNM,
    DDRM,
    DPS,
    MMPS,
    TDS,
    Denoising,
    DenoisingSamples,
    DiffPIR,
    Guidance,
    PiGDM,
    PnP,
    RePaint,
    SDEdit,
)
from restore.guidance.pnp import ENLARGING, FILLING
from restore.operators import Downsample, Gray, GrayWithHints, Identity, Linear, Mask, Operator
from restore.options.spec import parse
from restore.plugins import manager as plugins
from restore.priors import Prior
from restore.problem import Problem
from restore.sampling import samplers, schedules
from restore.sampling.noise import Noise, seed_for
from restore.testing import check_guidance

CHANNELS, HEIGHT, WIDTH = SHAPE
OPERATORS = {
    "identity": Identity(),
    "mask": Mask(KEEP),
    "mask per channel": Mask(torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(4)) < 0.5),
    "gray": Gray(),
    "hints": GrayWithHints(KEEP),
    "downsample": Downsample((HEIGHT, WIDTH), 2),
}
PAIRS = [
    (guidance, operator)
    for guidance in (
        DDNM(),
        PiGDM(),
        PiGDM(adaptive=True),
        DiffPIR(),
        PnP(),
        RePaint(jump=2, repeat=2),
        Denoising(),
        DenoisingSamples(),
    )
    for operator in OPERATORS
    if isinstance(OPERATORS[operator], guidance.needs)
]
each_pair = pytest.mark.parametrize(("guidance", "operator"), PAIRS, ids=[f"{type(g).__name__}-{o}" for g, o in PAIRS])


METHODS = (DAPS, DDNM, DDRM, DPS, DiffPIR, MMPS, PiGDM, PnP, RePaint, SDEdit, TDS)
BOUNDS = [(method, name, *bounds) for method in METHODS for name, bounds in method.ranges.items()]


# Arguments


@pytest.mark.parametrize("method", METHODS)
def test_every_number_has_a_range(method):
    numbers = [field.name for field in fields(method) if field.type in ("int", "float")]
    assert sorted(method.ranges) == sorted(numbers)


@pytest.mark.parametrize(("method", "name", "low", "high"), BOUNDS)
def test_arguments_out_of_range_are_refused(method, name, low, high):
    for given in (low - 1, high + 1, float("nan")):
        if given != high:  # Nothing lies above infinity.
            with pytest.raises(UsageError, match=f"^{name} is {given}; give "):
                method(**{name: given})


@pytest.mark.parametrize(("method", "name"), [(MMPS, "iterations"), (TDS, "particles"), (RePaint, "jump"), (DAPS, "ode")])
def test_whole_numbers_are_whole(method, name):
    with pytest.raises(UsageError, match=f"{name} is 2.5; give a whole number"):
        method(**{name: 2.5})


def test_the_command_line_names_the_method():
    with pytest.raises(UsageError, match=r"^guidance ddrm: eta is 2; give 0 to 1$"):
        parse("guidance", "ddrm:eta=2", plugins.load().guidance)


# Laws of every method


@pytest.mark.parametrize("prior", [PRIOR, DISCRETE], ids=["continuous", "discrete"])
@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@each_pair
def test_laws(guidance, operator, sigma_y, prior):
    check_guidance(guidance, measured(OPERATORS[operator], sigma_y, count=3), prior, steps=5)


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@each_pair
def test_float32_and_large_noise_stay_finite(guidance, operator, sigma_y):
    problem = measured(OPERATORS[operator], sigma_y, count=2)
    problem = replace(problem, y=problem.y.float())
    for steps in (1, 2, 12):
        answer = run(guidance, problem, steps=steps)
        assert bool(answer.isfinite().all())
        assert answer.abs().max() < 10


@each_pair
def test_one_measurement_serves_many_samples(guidance, operator):
    problem = measured(OPERATORS[operator], 0.1)
    many = run(guidance, replace(problem, shape=(3, *SHAPE)))
    stacked = run(guidance, replace(problem, y=problem.y.expand(3, -1, -1, -1), shape=(3, *SHAPE)))
    torch.testing.assert_close(many, stacked, atol=1e-12, rtol=0)
    assert torch.equal(many[0], many[1]) == isinstance(guidance, (PnP, Denoising))  # Those that draw nothing.


@pytest.mark.parametrize("steps", [1, 8])
@each_pair
def test_noiseless_answers_explain_y(guidance, operator, steps):
    problem = measured(OPERATORS[operator], 0.0, count=2)
    answer = run(guidance, problem, steps=steps)
    if isinstance(guidance, PiGDM):  # A gradient, not a projection: close where the steps are many.
        if steps > 1:
            assert (problem.operator(run(guidance, problem, steps=300)) - problem.y).abs().max() < 0.01
    else:
        torch.testing.assert_close(problem.operator(answer), problem.y, atol=1e-12, rtol=0)


@each_pair
def test_no_gradient_mode_changes_nothing(guidance, operator):
    problem = measured(OPERATORS[operator], 0.1)
    with torch.no_grad():
        quiet = run(guidance, problem)
    torch.testing.assert_close(quiet, run(guidance, problem), atol=1e-12, rtol=0)
    assert not quiet.requires_grad


class Nonlinear(Operator):
    def __call__(self, x):
        return x**3

    def pinv(self, y):
        return y.sign() * y.abs() ** (1 / 3)


class Plain(Linear):
    """Linear, with no spectrum to show."""

    def __call__(self, x):
        return x / 2

    def pinv(self, y):
        return 2 * y

    def adjoint(self, y):
        return y / 2

    def prox(self, v, y, rho):
        return (y / 2 + rho * v) / (0.25 + rho)

    def solve(self, r, scale, shift):
        return r / (scale / 4 + shift)


@pytest.mark.parametrize(
    ("guidance", "operator", "sigma_y", "message"),
    [
        (RePaint(), Gray(), 0.0, "RePaint needs a Mask operator, got Gray"),
        (Denoising(), Mask(KEEP), 0.1, "Denoising needs an Identity operator, got Mask"),
        (PiGDM(), Nonlinear(), 0.0, "PiGDM needs a Linear operator, got Nonlinear"),
        (DiffPIR(), Nonlinear(), 0.1, "DiffPIR needs a Linear operator, got Nonlinear"),
        (PnP(), Nonlinear(), 0.1, "PnP needs a Linear operator, got Nonlinear"),
        (DDNM(), Plain(), 0.1, "DDNM with noise needs a Spectral operator, got Plain"),
        (DDNM(eta=0), Identity(), 0.1, "DDNM with noise needs eta above 0"),
    ],
)
def test_refuses_an_operator_it_cannot_use(guidance, operator, sigma_y, message):
    y = operator(torch.zeros(1, *SHAPE))
    with pytest.raises(OperatorError, match=message):
        guidance.check(Problem(y, operator, sigma_y, (1, *SHAPE)))


@each_pair
def test_accepts_an_operator_it_can_use_and_cannot_be_changed(guidance, operator):
    guidance.check(measured(OPERATORS[operator], 0.1))
    with pytest.raises(FrozenInstanceError):
        guidance.weight = 2


def test_ddnm_takes_any_operator_without_noise():
    for operator in (Nonlinear(), Plain()):
        problem = measured(operator, 0.0)
        DDNM().check(problem)
        estimate = run(DDNM(), problem)
        assert bool(estimate.isfinite().all())
    torch.testing.assert_close(operator(estimate), problem.y, atol=1e-12, rtol=0)


def test_the_laws_catch_norms_over_the_batch_edited_measurements_and_nan():
    class OverTheBatch(DDNM):
        def step(self, problem, prior, sampler, x, sigma, sigma_next, noise):
            return super().step(problem, prior, sampler, x, sigma, sigma_next, noise) / (1 + x.norm())

    class Edits(DDNM):
        def step(self, problem, prior, sampler, x, sigma, sigma_next, noise):
            problem.y[...] = 0
            return super().step(problem, prior, sampler, x, sigma, sigma_next, noise)

    class Divides(DDNM):
        def step(self, problem, prior, sampler, x, sigma, sigma_next, noise):
            return x / problem.sigma_y * 0

    class Forgets(DDNM):
        def start(self, problem, sigma, noise):
            return sigma * torch.randn(problem.shape)

    for wrong, law in ((OverTheBatch(), "batch"), (Edits(), "y after"), (Divides(), "NaN"), (Forgets(), "twice")):
        with pytest.raises(AssertionError, match=law):
            check_guidance(wrong, measured(Mask(KEEP), 0.0, count=2), PRIOR)


# Paths


def test_default_paths_fit_the_prior():
    problem = measured(Identity(), 0.0)
    assert torch.equal(DDNM().schedule(PRIOR, problem, 7), schedules.karras(PRIOR.sigma_max, PRIOR.sigma_min, 7))
    assert torch.equal(DDNM().schedule(DISCRETE, problem, 7), schedules.ddpm(LEVELS, 7))
    assert torch.equal(RePaint().schedule(DISCRETE, problem, 50), schedules.travel(schedules.ddpm(LEVELS, 50), 10, 5))


@pytest.mark.parametrize("steps", [1, 3, 24])
@pytest.mark.parametrize(("sigma_y", "start", "end"), [(0.0, 0.5, 0.01), (0.1, 0.5, 0.1), (0.7, 0.7, 0.7)])
def test_pnp_falls_in_equal_ratios_to_the_noise_in_y(sigma_y, start, end, steps):
    schedule = PnP().schedule(PRIOR, measured(Identity(), sigma_y), steps)
    assert schedule[0].item() == pytest.approx(start)
    assert schedule[-1] == 0
    assert bool((schedule[1:] <= schedule[:-1]).all())
    if steps > 1:
        assert schedule[-2].item() == pytest.approx(end)
        ratios = schedule[1:-1] / schedule[:-2]
        torch.testing.assert_close(ratios, torch.full_like(ratios, (end / start) ** (1 / (steps - 1))))


# Denoising


@pytest.mark.parametrize("prior", [PRIOR, DISCRETE], ids=["continuous", "discrete"])
@pytest.mark.parametrize("sigma_y", [0.05, 0.5, 3.0])
def test_denoising_in_one_step_is_the_posterior_mean(sigma_y, prior):
    problem = measured(Identity(), sigma_y)
    wanted = posterior(problem, prior).mean
    torch.testing.assert_close(run(Denoising(), problem, prior, steps=1).flatten(), wanted, atol=1e-9, rtol=0)
    single = replace(problem, y=problem.y.float())
    schedule = Denoising().schedule(prior, single, 1)
    (answer,) = reverse(single, prior, Denoising(), Denoising().sampler(), schedule, Noise([0]))
    torch.testing.assert_close(answer.flatten().double(), wanted, atol=1e-6, rtol=0)


def test_denoising_estimate_is_the_mean_given_both_pictures():
    # x and y as one measurement of two copies, solved densely.
    sigma_y, sigma = 0.3, torch.tensor(0.8, dtype=torch.float64)
    problem = measured(Identity(), sigma_y)
    x = random(1, *SHAPE, seed=9)
    precision = torch.linalg.inv(PRIOR.covariance)
    both = precision + torch.eye(len(precision), dtype=torch.float64) * (1 / sigma_y**2 + 1 / float(sigma) ** 2)
    said = precision @ torch.full((len(precision),), PRIOR.mean, dtype=torch.float64)
    wanted = torch.linalg.solve(both, said + problem.y.flatten() / sigma_y**2 + x.flatten() / sigma**2)
    torch.testing.assert_close(DenoisingSamples().estimate(problem, PRIOR, x, sigma).flatten(), wanted, atol=1e-10, rtol=0)


def test_denoising_in_many_steps_draws_from_the_posterior():
    problem = measured(Identity(), 0.3, shape=(1, 1, 8), prior=(prior := Gaussian(decaying(8))))
    truth = posterior(problem, prior)
    errors = []
    for steps in (50, 100, 200):
        law = exact_law(problem, prior, DenoisingSamples(), samplers.ddim(1.0), schedules.karras(80.0, 0.002, steps).double())
        errors.append(float((law.covariance - truth.covariance).norm() / truth.covariance.norm()))
        assert (law.mean - truth.mean).norm() / truth.covariance.trace().sqrt() < 1e-3
    # What is left is the sampler's own error, of order 1.
    assert errors[2] < 0.07
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.05)
    assert errors[2] / errors[1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("steps", "tolerance"), [(5, 0.15), (10, 0.02), (20, 0.02)])
def test_a_denoised_picture_is_sampled_in_few_steps(steps, tolerance):
    # The flow of a Gaussian is affine in the noise it begins with: 1 + 8 runs say all of its law.
    problem = measured(Identity(), 0.3, shape=(1, 1, 8), prior=(prior := Gaussian(decaying(8))))
    truth, samples = posterior(problem, prior), DenoisingSamples()
    schedule = samples.schedule(prior, problem, steps).double()
    noise = torch.cat([torch.zeros(1, 8, dtype=torch.float64), torch.eye(8, dtype=torch.float64)]).reshape(9, 1, 1, 8)

    class Given(DenoisingSamples):
        def start(self, problem, sigma, z):
            return problem.y + sigma * noise

    *_, answer = reverse(replace(problem, shape=(9, 1, 1, 8)), prior, Given(), samples.sampler(), schedule, Noise(range(9)))
    mean, linear = answer[0].flatten(), (answer[1:] - answer[:1]).flatten(1)
    covariance = linear.T @ linear
    assert float((covariance - truth.covariance).norm() / truth.covariance.norm()) < tolerance
    assert (mean - truth.mean).norm() / truth.covariance.trace().sqrt() < 0.04


def test_denoising_without_noise_answers_y():
    problem = measured(Identity(), 0.0, count=2)
    assert torch.equal(run(Denoising(), problem), problem.y)


# DDNM


class Told(Prior):
    """Answers the same picture whatever it is shown."""

    def __init__(self, x0):
        super().__init__()
        self.x0, self.channels = x0, x0.shape[1]

    def denoise(self, x, sigma):
        return self.x0.expand_as(x)


def parts(guidance, problem, sigma, sigma_next):
    """What x, y, x0 and fresh noise count in one step, as operators' spectra see them: arrays shaped like coefficients."""
    operator = problem.operator
    unit = operator.v(torch.ones_like(operator.vt(torch.zeros(1, *SHAPE, dtype=torch.float64))))
    none = torch.zeros_like(unit)

    def step(x, y, x0, z):
        asked = replace(problem, y=y)
        answer = guidance.step(asked, Told(x0), guidance.sampler(), x, sigma, sigma_next, lambda like: z)
        return operator.vt(answer)

    measurement = operator.u(operator.vt(unit))  # The coefficient 1 in y's own basis.
    empty = torch.zeros_like(measurement)
    return (
        step(unit, empty, none, none),
        step(none, measurement, none, none),
        step(none, empty, unit, none),
        step(none, empty, none, unit),
    )


@pytest.mark.parametrize(("sigma", "after"), [(2.0, 1.5), (2.0, 0.4), (0.2, 0.15), (0.05, 0.02)])
@pytest.mark.parametrize("sigma_y", [0.02, 0.2, 2.0])
@pytest.mark.parametrize("operator", ["identity", "gray", "downsample", "mask"])
def test_noisy_ddnm_gives_x_the_variance_the_prior_expects(operator, sigma_y, sigma, after):
    eta, problem = 0.85, measured(OPERATORS[operator], sigma_y)
    sigma, after = torch.tensor([sigma, after], dtype=torch.float64)
    s = problem.operator.s.double()
    spectrum = torch.ones_like(problem.operator.vt(torch.zeros(1, *SHAPE, dtype=torch.float64)))
    seen = problem.operator.vt(problem.operator.v(spectrum)) > 0.5  # A mask's lost coefficients are zero in all parts.
    of_x, of_y, of_x0, of_z = (part[seen] for part in parts(DDNM(eta=eta), problem, sigma, after))
    s = s.expand_as(seen)[seen]
    fresh = eta**2 * (1 - (after / sigma) ** 2)
    deviation = after * fresh.sqrt()
    # x0 counts once, whether it comes through x, y (which shows s x0) or D.
    torch.testing.assert_close(of_x + of_y * s + of_x0, torch.ones_like(of_x), atol=1e-12, rtol=0)
    torch.testing.assert_close(of_x, (after * (1 - fresh).sqrt() / sigma).expand_as(of_x), atol=1e-12, rtol=0)
    # The noise of x, of y and fresh noise add up to the next level's variance, singular value by singular value.
    variance = (of_x * sigma) ** 2 + (of_y * sigma_y) ** 2 + of_z**2
    torch.testing.assert_close(variance, (after**2).expand_as(variance), atol=1e-12, rtol=1e-10)
    # As much of y as that allows: all, or as much noise as the transition may add.
    whole = (1 - of_x) * sigma_y / s <= deviation
    torch.testing.assert_close(of_x0[whole], torch.zeros_like(of_x0[whole]), atol=1e-12, rtol=0)
    torch.testing.assert_close(of_z[~whole], torch.zeros_like(of_z[~whole]), atol=1e-7, rtol=0)


def test_noiseless_ddnm_is_equation_13():
    problem = measured(OPERATORS["downsample"], 0.0)
    matrix = dense(problem.operator, SHAPE)
    x, sigma, after = random(1, *SHAPE), torch.tensor(0.7).double(), torch.tensor(0.3).double()
    x0 = PRIOR(x, sigma).flatten()
    x0 = x0 + torch.linalg.pinv(matrix) @ (problem.y.flatten() - matrix @ x0)
    wanted = samplers.ddim(0.85)(lambda x, sigma: x0.reshape(x.shape), x, sigma, after, Noise([1]))
    found = DDNM().step(problem, PRIOR, DDNM().sampler(), x, sigma, after, Noise([1]))
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


# PiGDM


class Bent(Prior):
    """Not linear, and no symmetric Jacobian: D = tanh(M x) / (1 + sigma)."""

    def __init__(self):
        super().__init__()
        self.channels, self.matrix = CHANNELS, random(72, 72, seed=8) / 8

    def denoise(self, x, sigma):
        return (x.flatten(1) @ self.matrix.T).tanh().reshape(x.shape) / (1 + sigma[:, None, None, None])


@pytest.mark.parametrize("prior", [PRIOR, Bent()], ids=["gaussian", "bent"])
@pytest.mark.parametrize("variance", [1.0, 0.25])
@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("operator", OPERATORS)
def test_pigdm_estimate_equals_its_formula(operator, sigma_y, variance, prior):
    problem = measured(OPERATORS[operator], sigma_y)
    matrix = dense(problem.operator, SHAPE)
    x, sigma = random(1, *SHAPE, seed=2), torch.tensor(0.6, dtype=torch.float64)
    jacobian = jacrev(lambda flat: prior(flat.reshape(1, *SHAPE), sigma).flatten())(x.flatten())
    x0 = prior(x, sigma).flatten()
    spread = sigma**2 * variance / (sigma**2 + variance)
    inner = spread * matrix @ matrix.T + sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
    solved = torch.linalg.pinv(inner, rtol=1e-10) @ (problem.y.flatten() - matrix @ x0)
    wanted = x0 + sigma**2 * jacobian.T @ matrix.T @ solved
    found = PiGDM(variance=variance).estimate(problem, prior, x, sigma)
    torch.testing.assert_close(found.flatten(), wanted, atol=1e-9, rtol=0)


@pytest.mark.parametrize("operator", ["mask", "gray", "downsample"])
def test_adaptive_pigdm_is_the_papers_step_on_pictures_that_keep_their_variance(operator):
    # The paper's own words: x_t = a_t x, and the gradient of log p(y | x_t), weighed by r_t^2, is added to DDIM's next x_t.
    problem, prior = measured(OPERATORS[operator], 0.2), Bent()
    matrix = dense(problem.operator, SHAPE)
    sigma, sigma_next = (torch.tensor(value, dtype=torch.float64) for value in (0.6, 0.4))
    scale, scale_next = (1 + sigma**2).rsqrt(), (1 + sigma_next**2).rsqrt()
    spread = 1 - scale**2  # r_t^2 = sigma_t^2 / (sigma_t^2 + 1) of the paper's VE coordinates.
    law = torch.distributions.MultivariateNormal(
        problem.y.flatten(), spread * matrix @ matrix.T + 0.2**2 * torch.eye(len(matrix), dtype=torch.float64)
    )
    x = random(1, *SHAPE, seed=2)

    def explains(scaled):
        return law.log_prob(matrix @ prior(scaled / scale, sigma).flatten())

    moved = samplers.ddim(0.0)(prior, x, sigma, sigma_next, Noise([0]))
    wanted = scale_next * moved + scale * spread * torch.func.grad(explains)(scale * x)
    found = PiGDM(adaptive=True).step(problem, prior, samplers.ddim(0.0), x, sigma, sigma_next, Noise([0]))
    torch.testing.assert_close(scale_next * found, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("sigma_y", [0.0, 0.3])
def test_pigdm_is_exact_for_white_pictures_of_its_variance(sigma_y):
    white = Gaussian(0.25 * torch.eye(8, dtype=torch.float64))
    keep = torch.tensor([1, 0, 0, 1, 1, 0, 1, 1]).bool().reshape(1, 1, 1, 8)
    problem = measured(Mask(keep), sigma_y, prior=white, shape=(1, 1, 8))
    truth = posterior(problem, white)
    errors = []
    for steps in (200, 400):
        law = exact_law(problem, white, PiGDM(variance=0.25), samplers.ddim(1.0), schedules.karras(80.0, 0.002, steps).double())
        torch.testing.assert_close(law.mean, truth.mean, atol=2e-3, rtol=0)
        errors.append(float((law.covariance - truth.covariance).abs().max() / 0.25))
    # What is left is the sampler's own error, of order 1.
    assert errors[1] < 0.035
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.05)


# DiffPIR and PnP


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("operator", OPERATORS)
def test_diffpir_estimate_is_equation_12b(operator, sigma_y):
    problem = measured(OPERATORS[operator], sigma_y)
    x, sigma = random(1, *SHAPE, seed=2), torch.tensor(0.6, dtype=torch.float64)
    wanted = minimum(problem, PRIOR(x, sigma), 8.0 * sigma_y**2 / 0.36)
    found = DiffPIR().estimate(problem, PRIOR, x, sigma)
    torch.testing.assert_close(found.flatten(), wanted, atol=1e-9, rtol=0)


def minimum(problem, v, rho):
    """argmin |A x - y|^2 + rho |x - v|^2, by dense algebra; rho = 0 is the projection."""
    matrix, v = dense(problem.operator, SHAPE), v.flatten()
    residual = problem.y.flatten() - matrix @ v
    inner = matrix @ matrix.T + rho * torch.eye(len(matrix), dtype=torch.float64)
    return v + matrix.T @ torch.linalg.pinv(inner, rtol=1e-10) @ residual


@pytest.mark.parametrize("relaxation", [1.0, 1.7])
@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("operator", OPERATORS)
def test_pnp_is_its_iteration(operator, sigma_y, relaxation):
    problem = measured(OPERATORS[operator], sigma_y)
    method = PnP(weight=0.4, relaxation=relaxation)
    schedule = method.schedule(PRIOR, problem, 3).double()
    x = problem.operator.initial_estimate(problem.y)
    for step, sigma in enumerate(schedule[:-1]):
        z = minimum(problem, x, 0.4 * sigma_y**2 / float(sigma) ** 2).reshape(1, *SHAPE)
        x = z + (1.0 if step == 2 else relaxation) * (PRIOR(z, sigma) - z)
    wanted = minimum(problem, x, 0.0) if sigma_y == 0 else x.flatten()

    def noise(like):
        raise AssertionError("PnP drew noise")

    *_, found = reverse(problem, PRIOR, method, samplers.ddim(), schedule, noise)
    torch.testing.assert_close(found.flatten(), wanted, atol=1e-9, rtol=0)


def ended(problem, steps, **settings):
    """Where `PnP` ends in so many steps."""
    method = PnP(**settings)
    *_, found = reverse(problem, PRIOR, method, samplers.ddim(), geometric(steps), Noise([0]))
    return found


def geometric(steps):
    return torch.cat([torch.logspace(math.log10(0.8), -2, steps, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])


@pytest.mark.parametrize("operator", sorted(OPERATORS.keys() - {"identity"}))  # Which leaves no freedom.
def test_paced_pnp_is_eulers_method_of_first_order(operator):
    # x' = x + h f(x) + O(h^2) a step, so that halving h halves the error, and extrapolation leaves h^2.
    problem = measured(OPERATORS[operator], 0.0)
    few, more, most, limit = (ended(problem, steps + 1, pace=1.5) for steps in (128, 256, 512, 8192))
    errors = [float((found - limit).norm()) for found in (few, more, most)]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.15)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.15)
    assert float((2 * most - more - limit).norm()) < errors[2] / 10


def test_plug_and_play_for_enlarging_takes_its_own_numbers_of_steps():
    assert [ENLARGING.preset(quality)[1] for quality in ("fast", "balanced", "best")] == [5, 10, 10]
    assert [FILLING.preset(quality)[1] for quality in ("fast", "balanced", "best")] == [10, 24, 24]
    assert [PnP(most=8).preset(quality)[1] for quality in ("fast", "balanced", "best")] == [8, 8, 8]


@pytest.mark.parametrize("steps", [5, 11, 24])
def test_a_paced_step_is_relaxed_by_its_length(steps):
    problem, length = measured(Mask(KEEP), 0.0), math.log(80) / (steps - 1)
    for pace, relaxation in ((length, 1.0), (length / 1.6, 1.6), (length / 3, 1.8)):
        paced = ended(problem, steps, pace=pace, relaxation=1.8)
        torch.testing.assert_close(paced, ended(problem, steps, relaxation=relaxation), atol=1e-9, rtol=0)


# RePaint


@pytest.mark.parametrize(("sigma_y", "after"), [(0.0, 0.5), (0.0, 0.0), (0.2, 0.5), (0.2, 0.2)])
def test_repaint_brings_known_pixels_to_the_next_level(sigma_y, after):
    problem = measured(Mask(KEEP), sigma_y)
    x, sigma = random(1, *SHAPE, seed=2), torch.tensor(0.6, dtype=torch.float64)
    after = torch.tensor(after, dtype=torch.float64)
    draws = [random(1, *SHAPE, seed=7), random(1, *SHAPE, seed=8)]
    found = RePaint().step(problem, PRIOR, samplers.ddim(), x, sigma, after, lambda like: draws.pop(0))
    unguided = samplers.ddim()(PRIOR, x, sigma, after, lambda like: random(1, *SHAPE, seed=7))
    known = problem.y + (after**2 - sigma_y**2).clamp(min=0).sqrt() * random(1, *SHAPE, seed=8 if after > 0 else 7)
    keep = KEEP.expand_as(x)
    torch.testing.assert_close(found[keep], known[keep], atol=1e-12, rtol=0)
    torch.testing.assert_close(found[~keep], unguided[~keep], atol=1e-12, rtol=0)


def test_repaint_leaves_known_pixels_to_the_prior_below_the_noise_in_y():
    problem = measured(Mask(KEEP), 0.3)
    x, sigma, after = random(1, *SHAPE), torch.tensor(0.6).double(), torch.tensor(0.2).double()
    found = RePaint().step(problem, PRIOR, samplers.ddim(), x, sigma, after, Noise([1]))
    torch.testing.assert_close(found, samplers.ddim()(PRIOR, x, sigma, after, Noise([1])), atol=1e-14, rtol=0)


@pytest.mark.parametrize("sigma_y", [index / 37 for index in range(1, 37)])
def test_repaint_is_finite_where_a_level_equals_the_noise_in_y(sigma_y):
    # In float32 the level's square may round below the noise's.
    problem = measured(Mask(KEEP), sigma_y)
    problem = replace(problem, y=problem.y.float())
    found = RePaint().step(
        problem, PRIOR, samplers.ddim(), random(1, *SHAPE).float(), torch.tensor(2.0), torch.tensor(sigma_y), Noise([1])
    )
    assert bool(found.isfinite().all())


# A correlated Gaussian with a hole: how far each method's exact law lies from the exact posterior


SIZE, HOLE = 32, slice(12, 20)
LINE = (1, 1, SIZE)
LINES = Gaussian(decaying(SIZE))
HIDDEN = torch.zeros(SIZE, dtype=torch.bool)
HIDDEN[HOLE] = True
HOLED = Mask(~HIDDEN.reshape(1, 1, 1, SIZE))


def distances(guidance: Guidance, schedule) -> tuple[float, float, float]:
    """Over four measurements: error of the mean in posterior standard deviations, variance ratio, W2 (all rms or means)."""
    errors, ratio, transport = [], 0.0, []
    for seed in range(4):
        problem = measured(HOLED, 0.0, prior=LINES, shape=LINE, seed=seed)
        truth = posterior(problem, LINES).marginal(HIDDEN)
        law = exact_law(problem, LINES, guidance, guidance.sampler(), schedule.double()).marginal(HIDDEN)
        errors.append((law.mean - truth.mean).square().sum() / truth.covariance.trace())
        ratio = float((law.covariance.diagonal() / truth.covariance.diagonal()).mean())  # The same for every y.
        transport.append(wasserstein(law, truth) ** 2)
    return float(torch.stack(errors).mean().sqrt()), ratio, (sum(transport) / 4) ** 0.5


EVEN = schedules.ddpm(LEVELS, 100)
BASELINES = {
    # name: (method, schedule, error of the mean, variance ratio, W2)
    "replacement": (RePaint(), EVEN, 0.836, 1.573, 1.04),
    "RePaint 100/10/5": (RePaint(), schedules.travel(EVEN, 10, 5), 0.308, 1.038, 0.371),
    "DDNM": (DDNM(), EVEN, 0.914, 1.961, 1.191),
    "PiGDM": (PiGDM(), EVEN, 0.341, 1.03, 0.404),
    "DiffPIR": (DiffPIR(), EVEN, 0.631, 1.419, 0.784),
    "PnP": (PnP(), schedules.geometric(0.5, 0.01, 24), 0.196, 0.0, 1.183),
    "PnP over-relaxed": (PnP(relaxation=1.8), schedules.geometric(0.5, 0.01, 24), 0.125, 0.0, 1.17),
}


@pytest.mark.parametrize("name", BASELINES)
def test_distance_to_the_exact_posterior_is_the_one_recorded(name):
    guidance, schedule, *recorded = BASELINES[name]
    assert distances(guidance, schedule) == pytest.approx(recorded, abs=0.005)


def test_time_travel_is_what_makes_repaint_a_sampler():
    error, ratio, transport = BASELINES["RePaint 100/10/5"][2:]
    plain_error, plain_ratio, plain_transport = BASELINES["replacement"][2:]
    assert error < plain_error / 2
    assert abs(ratio - 1) < abs(plain_ratio - 1) / 5
    assert transport < plain_transport / 2


@pytest.mark.parametrize("guidance", [DDNM(), PiGDM(), RePaint(jump=5, repeat=2)], ids=["DDNM", "PiGDM", "RePaint"])
def test_runs_with_drawn_noise_have_the_exact_law(guidance):
    # Ties the exact laws above to what a person gets: noise of 2000 generators, in float32.
    count = 2000
    problem = measured(HOLED, 0.0, prior=LINES, shape=LINE)
    schedule = guidance.schedule(LINES, problem, 10)
    law = exact_law(problem, LINES, guidance, guidance.sampler(), schedule.double()).marginal(HIDDEN)
    many = replace(problem, y=problem.y.float(), shape=(count, *LINE))
    noise = Noise([seed_for(0, sample=index) for index in range(count)])
    *_, answers = reverse(many, LINES, guidance, guidance.sampler(), schedule, noise)
    drawn = answers.flatten(1)[:, HIDDEN].double()
    variance = law.covariance.diagonal()
    assert ((drawn.mean(dim=0) - law.mean).abs() / (variance / count).sqrt()).max() < 4
    assert (drawn.var(dim=0) / variance - 1).abs().max() < 4 * (2 / count) ** 0.5
    assert (torch.corrcoef(drawn.T) - law.covariance / torch.outer(variance, variance).sqrt()).abs().max() < 4 / count**0.5
