import math
from itertools import pairwise

import pytest
import torch
from gaussian import Gaussian, Unguided, decaying, exact_law

from restore.errors import UsageError
from restore.operators import Identity
from restore.problem import Problem
from restore.sampling import samplers
from restore.sampling.noise import Noise

SHAPE = (1, 1, 1, 6)
PRIOR = Gaussian(decaying(6, 0.7), mean=0.2)
ALL = [make() for make in samplers.SAMPLERS.values()] + [samplers.ddim(0.0), samplers.ddim(0.5), samplers.heun(churn=0.4)]


def level(value):
    return torch.tensor(value, dtype=torch.float64)


def picture(seed=0):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def geometric(high, low, steps):
    return torch.logspace(math.log10(high), math.log10(low), steps + 1, dtype=torch.float64)


def unguided(sampler, schedule, prior=PRIOR):
    """The exact law of x at the end of the schedule, from x = schedule[0] z."""
    return exact_law(
        Problem(torch.zeros(SHAPE, dtype=torch.float64), Identity(), 0.0, SHAPE), prior, Unguided(), sampler, schedule
    )


@pytest.mark.parametrize("sampler", ALL)
def test_last_step_answers_the_estimate(sampler):
    # Churn first raises the level; the others ask at the level given.
    asked = []

    def denoise(x, sigma):
        asked.append((x, sigma))
        return PRIOR(x, sigma)

    answer = sampler(denoise, picture(), level(0.5), level(0.0), Noise([0]))
    torch.testing.assert_close(answer, PRIOR(*asked[0]), atol=1e-14, rtol=0)
    assert len(asked) == 1


@pytest.mark.parametrize("sampler", ALL)
def test_x_is_left_alone(sampler):
    x = picture()
    sampler(PRIOR, x, level(0.5), level(0.3), Noise([0]))
    assert torch.equal(x, picture())


def test_ddim_1_is_the_ancestral_step_of_ddpm():
    # Ho et al. 2020, eq. 6 and 7, in x_t = sqrt(abar_t) (x0 + sigma_t z).
    abar, abar_next = level(0.3), level(0.45)
    alpha = abar / abar_next
    x0, x_t = picture(1), picture(2)
    mean = abar_next.sqrt() * (1 - alpha) / (1 - abar) * x0 + alpha.sqrt() * (1 - abar_next) / (1 - abar) * x_t
    variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
    sigma, sigma_next = ((1 - abar) / abar).sqrt(), ((1 - abar_next) / abar_next).sqrt()
    found = samplers.ddim(1.0)(lambda x, sigma: x0, x_t / abar.sqrt(), sigma, sigma_next, Noise([4]))
    wanted = (mean + variance.sqrt() * Noise([4])(x0)) / abar_next.sqrt()
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.85, 1.0])
def test_ddim_is_equations_12_and_16(eta):
    # Song et al. 2021, with their alpha for abar.
    alpha, alpha_next = level(0.2), level(0.6)
    x0, eps = picture(1), picture(2)
    s = eta * ((1 - alpha_next) / (1 - alpha)).sqrt() * (1 - alpha / alpha_next).sqrt()
    wanted = alpha_next.sqrt() * x0 + (1 - alpha_next - s**2).sqrt() * eps + s * Noise([4])(x0)
    sigma, sigma_next = ((1 - alpha) / alpha).sqrt(), ((1 - alpha_next) / alpha_next).sqrt()
    found = samplers.ddim(eta)(lambda x, sigma: x0, x0 + sigma * eps, sigma, sigma_next, Noise([4]))
    torch.testing.assert_close(found, wanted / alpha_next.sqrt(), atol=1e-12, rtol=0)


def test_diffpir_is_equation_13():
    alpha_next, zeta = level(0.6), 0.3
    x0, eps, sigma = picture(1), picture(2), level(2.0)
    fresh = Noise([4])(x0)
    wanted = alpha_next.sqrt() * x0 + (1 - alpha_next).sqrt() * (math.sqrt(1 - zeta) * eps + math.sqrt(zeta) * fresh)
    sigma_next = ((1 - alpha_next) / alpha_next).sqrt()
    found = samplers.diffpir(zeta)(lambda x, sigma: x0, x0 + sigma * eps, sigma, sigma_next, Noise([4]))
    torch.testing.assert_close(found, wanted / alpha_next.sqrt(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("sampler", [samplers.ddim(0.0), samplers.ddim(0.5), samplers.ddim(1.0), samplers.diffpir(0.3)])
def test_kept_and_fresh_noise_add_up_to_the_next_level(sampler):
    # With x0 known, x' - x0 must have standard deviation sigma_next whatever the share of fresh noise.
    nothing = Gaussian(torch.zeros(6, 6))
    torch.testing.assert_close(unguided(sampler, geometric(3.0, 0.2, 4), nothing).covariance, 0.04 * torch.eye(6).double())


def test_ddim_0_and_heuns_predictor_are_euler_steps_of_the_ode():
    x, sigma, after = picture(), level(0.9), level(0.6)
    slope = (x - PRIOR(x, sigma)) / sigma
    euler = x + (after - sigma) * slope
    torch.testing.assert_close(samplers.ddim(0.0)(PRIOR, x, sigma, after, Noise([0])), euler, atol=1e-14, rtol=0)
    trapezium = x + (after - sigma) * (slope + (euler - PRIOR(euler, after)) / after) / 2
    torch.testing.assert_close(samplers.heun()(PRIOR, x, sigma, after, Noise([0])), trapezium, atol=1e-14, rtol=0)


def test_euler_maruyama_is_one_step_of_the_reverse_sde():
    x, sigma, after = picture(), level(0.9), level(0.6)
    score = (PRIOR(x, sigma) - x) / sigma**2
    wanted = x + (0.81 - 0.36) * score + math.sqrt(0.81 - 0.36) * Noise([3])(x)
    torch.testing.assert_close(samplers.euler_maruyama()(PRIOR, x, sigma, after, Noise([3])), wanted, atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    ("sampler", "order"),
    [(samplers.probability_flow(), 1), (samplers.heun(), 2), (samplers.dpmpp_2m(), 2)],
    ids=["probability_flow", "heun", "dpmpp_2m"],
)
def test_order_of_convergence_to_the_flow(sampler, order):
    # The flow keeps each eigenvector's coefficient in proportion to the standard deviation of x there.
    high, low = 10.0, 0.05
    x = picture() * high
    scale = ((PRIOR.values + low**2) / (PRIOR.values + high**2)).sqrt()
    wanted = (((x.flatten() - PRIOR.mean) @ PRIOR.basis) * scale) @ PRIOR.basis.T + PRIOR.mean
    errors = []
    for steps in (40, 80, 160):
        schedule, moved, transition = geometric(high, low, steps), x, samplers.begin(sampler)
        for sigma, after in pairwise(schedule):
            moved = transition(PRIOR, moved, sigma, after, Noise([0]))
        errors.append(float((moved.flatten() - wanted).norm()))
    found = [math.log2(before / after) for before, after in pairwise(errors)]
    assert found == pytest.approx([order, order], abs=0.12)


@pytest.mark.parametrize("sampler", [samplers.ddim(1.0), samplers.euler_maruyama()], ids=["ddim(1)", "euler_maruyama"])
def test_weak_order_1_of_the_random_kernels(sampler):
    # Given x at level u = sigma^2, x at u' is Gaussian: mean (l + u') / (l + u) x, variance (u - u') (l + u') / (l + u).
    high, low = 10.0, 0.05
    u, after, values = high**2, low**2, PRIOR.values
    shrink = (values + after) / (values + u)
    variance = PRIOR.basis * (shrink**2 * u + (u - after) * shrink) @ PRIOR.basis.T
    laws = [unguided(sampler, geometric(high, low, steps)) for steps in (40, 80, 160)]
    mean = PRIOR.mean - PRIOR.basis * shrink @ PRIOR.basis.T @ torch.full((6,), PRIOR.mean, dtype=torch.float64)
    for law in laws:
        torch.testing.assert_close(law.mean, mean, atol=1e-12, rtol=0)  # Both are exact in the mean.
    errors = [float((law.covariance - variance).norm() / variance.norm()) for law in laws]
    found = [math.log2(before / after) for before, after in pairwise(errors)]
    assert found == pytest.approx([1, 1], abs=0.12)
    assert errors[-1] < 0.1


@pytest.mark.parametrize("churn", [0.1, 0.4])
def test_churn_raises_the_level_by_fresh_noise_of_the_right_variance(churn):
    # Where D = 0 the flow is x' = x sigma'/sigma, exactly: the variance must arrive at sigma'^2, churn or none.
    nothing = Gaussian(torch.zeros(6, 6))
    schedule = geometric(3.0, 0.2, 5)
    torch.testing.assert_close(unguided(samplers.heun(churn), schedule, nothing).covariance, 0.04 * torch.eye(6).double())
    # Where D = x nothing moves: what is added is raised^2 - sigma^2, at every step.
    added = sum(float(sigma) ** 2 * ((1 + churn) ** 2 - 1) for sigma in schedule[:-1])
    flat = Gaussian(1e14 * torch.eye(6))
    torch.testing.assert_close(unguided(samplers.heun(churn), schedule, flat).covariance, (9 + added) * torch.eye(6).double())


@pytest.mark.parametrize("sampler", [samplers.probability_flow(), samplers.heun(), samplers.dpmpp_2m()])
def test_deterministic_kernels_draw_nothing(sampler):
    def noise(like):
        raise AssertionError("drew noise")

    sampler(PRIOR, picture(), level(0.9), level(0.6), noise)


def walk(sampler, schedule, x, seed=0):
    """Every x of a descent."""
    transition, noise, walked = samplers.begin(sampler), Noise([seed]), [x]
    for sigma, after in pairwise(schedule):
        walked.append(transition(PRIOR, walked[-1], sigma, after, noise))
    return walked


def test_dpmpp_2m_is_algorithm_2():
    # Lu et al. 2022 in their own variables, variance preserving: x_t = alpha x, lambda = log(alpha / sigma_t).
    levels = [level(2.0), level(1.3), level(0.7)]
    alphas = [1 / (1 + sigma**2).sqrt() for sigma in levels]
    lambdas = [-sigma.log() for sigma in levels]
    x = picture() * 2
    first, second, third = (alpha * at for alpha, at in zip(alphas, walk(samplers.dpmpp_2m(), levels, x), strict=True))
    estimates = [PRIOR(first / alphas[0], levels[0]), PRIOR(second / alphas[1], levels[1])]

    def moved(at, index, estimate):
        ratio = alphas[index + 1] * levels[index + 1] / (alphas[index] * levels[index])
        return ratio * at - alphas[index + 1] * torch.expm1(lambdas[index] - lambdas[index + 1]) * estimate

    torch.testing.assert_close(second, moved(first, 0, estimates[0]), atol=1e-12, rtol=0)
    r = (lambdas[1] - lambdas[0]) / (lambdas[2] - lambdas[1])
    ahead = (1 + 1 / (2 * r)) * estimates[1] - 1 / (2 * r) * estimates[0]
    torch.testing.assert_close(third, moved(second, 1, ahead), atol=1e-12, rtol=0)


REMEMBERING = [samplers.dpmpp_2m(), samplers.predictor_corrector(samplers.dpmpp_2m())]


@pytest.mark.parametrize("sampler", REMEMBERING)
def test_memory_stays_in_its_run(sampler):
    schedule = geometric(5.0, 0.1, 6)
    alone = walk(sampler, schedule, picture(1))
    # Another run in between, and two runs a step each in turn.
    walk(sampler, schedule, picture(2))
    assert all(torch.equal(a, b) for a, b in zip(alone, walk(sampler, schedule, picture(1)), strict=True))
    both, noises = [samplers.begin(sampler), samplers.begin(sampler)], [Noise([0]), Noise([0])]
    x = [picture(1), picture(2)]
    for sigma, after in pairwise(schedule):
        x = [step(PRIOR, at, sigma, after, noise) for step, at, noise in zip(both, x, noises, strict=True)]
    assert torch.equal(x[0], alone[-1])


def test_memory_of_another_level_is_not_used():
    # A transition asked for a step that does not follow its last makes a first step.
    step, x = samplers.begin(samplers.dpmpp_2m()), picture()
    step(PRIOR, x, level(5.0), level(3.0), Noise([0]))
    found = step(PRIOR, x, level(2.0), level(1.0), Noise([0]))
    assert torch.equal(found, samplers.dpmpp_2m()(PRIOR, x, level(2.0), level(1.0), Noise([0])))
    assert not torch.equal(found, step(PRIOR, x, level(1.0), level(0.5), Noise([0])))


def test_langevin_is_algorithm_1_of_song_and_ermon():
    x, after, snr = picture(), level(0.6), 0.2
    size = (2 * snr * 0.6) ** 2
    noise, wanted = Noise([3]), x
    for _ in range(2):
        wanted = wanted + size / 2 * (PRIOR(wanted, after) - wanted) / 0.36 + math.sqrt(size) * noise(wanted)
    found = samplers.langevin(steps=2, snr=snr)(PRIOR, x, level(0.9), after, Noise([3]))
    torch.testing.assert_close(found, wanted, atol=1e-14, rtol=0)


@pytest.mark.parametrize("snr", [0.05, 0.16, 0.5])
def test_langevin_rests_at_the_priors_law(snr):
    # x <- m + R (x - m) + sqrt(g) z rests where V = R V R + g: per eigenvalue v of the law, v / (1 - snr^2 sigma^2 / v).
    sigma = level(0.4)
    law = PRIOR.values + sigma**2
    at_rest = PRIOR.basis * (law / (1 - snr**2 * sigma**2 / law)) @ PRIOR.basis.T
    single = Problem(torch.zeros(SHAPE, dtype=torch.float64), Identity(), 0.0, SHAPE)
    found = exact_law(single, PRIOR, Resting(at_rest), samplers.langevin(steps=2, snr=snr), torch.stack([sigma, sigma]))
    torch.testing.assert_close(found.covariance, at_rest, atol=1e-12, rtol=0)
    torch.testing.assert_close(found.mean, torch.full((6,), PRIOR.mean, dtype=torch.float64), atol=1e-12, rtol=0)
    assert float((at_rest - PRIOR.basis * law @ PRIOR.basis.T).norm()) <= 1.01 * snr**2 / (1 - snr**2) * float(law.norm())


class Resting(Unguided):
    """Starts at a Gaussian law around the prior's mean."""

    def __init__(self, covariance):
        values, basis = torch.linalg.eigh(covariance)
        self.root = basis * values.sqrt() @ basis.T

    def start(self, problem, sigma, noise):
        drawn = noise(torch.empty(problem.shape, dtype=torch.float64))
        return (drawn.flatten(1) @ self.root).reshape(problem.shape) + PRIOR.mean


def test_annealed_langevin_is_of_first_order_in_the_distance_of_levels():
    wanted = PRIOR.covariance + 0.01 * torch.eye(6)
    laws = [unguided(samplers.langevin(steps=1, snr=0.2), geometric(30.0, 0.1, steps)) for steps in (400, 800, 1600)]
    errors = [float((law.covariance - wanted).norm()) for law in laws]
    assert [math.log2(before / after) for before, after in pairwise(errors)] == pytest.approx([1, 1], abs=0.15)
    torch.testing.assert_close(laws[-1].mean, torch.full((6,), PRIOR.mean, dtype=torch.float64), atol=1e-3, rtol=0)


def test_the_corrector_brings_the_predictor_nearer_to_the_law():
    schedule, wanted = geometric(30.0, 0.1, 25), PRIOR.covariance + 0.01 * torch.eye(6)

    def error(sampler):
        return float((unguided(sampler, schedule).covariance - wanted).norm())

    alone, corrected = error(samplers.ddim(1.0)), error(samplers.predictor_corrector(samplers.ddim(1.0), snr=0.3))
    assert corrected < 0.7 * alone


def test_predictor_corrector_is_its_predictor_and_langevin():
    x, sigma, after = picture(), level(0.9), level(0.6)
    noise = Noise([3])
    wanted = samplers.euler_maruyama()(PRIOR, x, sigma, after, noise)
    wanted = samplers.langevin(steps=2, snr=0.1)(PRIOR, wanted, sigma, after, noise)
    found = samplers.predictor_corrector(steps=2, snr=0.1)(PRIOR, x, sigma, after, Noise([3]))
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("text", "sampler"),
    [
        ("ddim", samplers.ddim()),
        ("ddim:eta=.5", samplers.ddim(0.5)),
        ("langevin:steps=3,snr=0.1", samplers.langevin(3, 0.1)),
        ("predictor-corrector:predictor=dpmpp-2m,steps=2", samplers.predictor_corrector(samplers.dpmpp_2m(), 2)),
    ],
)
def test_kernels_by_name(text, sampler):
    schedule = geometric(5.0, 0.1, 4)
    assert torch.equal(walk(samplers.named(text), schedule, picture())[-1], walk(sampler, schedule, picture())[-1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("heunn", "unknown sampler 'heunn'; did you mean 'heun'?"),
        ("heun:churm=1", "sampler heun: .*'churm'"),
        ("heun:churn=much", "sampler heun: 'churn=much' is not key=number"),
        ("ddim:eta=2", "eta is 2; give 0 to 1"),
        ("diffpir:zeta=-0.1", "zeta is -0.1; give 0 to 1"),
        ("heun:churn=-1", "churn is -1.0; give 0 or more"),
        ("langevin:steps=2.5", "steps is 2.5; give a whole number"),
        ("langevin:steps=0", "steps is 0; give 1 or more"),
        ("predictor-corrector:snr=1", "snr is 1; give 0 to 0.99"),
        ("ddim:eta=nan", "eta is nan; give 0 to 1"),
        ("predictor-corrector:predictor=hen", "unknown sampler 'hen'; did you mean 'heun'?"),
    ],
)
def test_misspelt_kernels_are_one_line(text, said):
    with pytest.raises(UsageError, match=said):
        samplers.named(text)
