import math
from itertools import pairwise

import pytest
import torch
from gaussian import Gaussian, Unguided, decaying, exact_law

from restore import kernels
from restore.noise import Noise
from restore.operators import Identity
from restore.problem import Problem

SHAPE = (1, 1, 1, 6)
PRIOR = Gaussian(decaying(6, 0.7), mean=0.2)
ALL = [make() for make in kernels.KERNELS.values()] + [kernels.ddim(0.0), kernels.ddim(0.5), kernels.heun(churn=0.4)]


def level(value):
    return torch.tensor(value, dtype=torch.float64)


def picture(seed=0):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def geometric(high, low, steps):
    return torch.logspace(math.log10(high), math.log10(low), steps + 1, dtype=torch.float64)


def unguided(kernel, path, prior=PRIOR):
    """The exact law of x at the end of the path, from x = path[0] z."""
    return exact_law(Problem(torch.zeros(SHAPE, dtype=torch.float64), Identity(), 0.0, SHAPE), prior, Unguided(), kernel, path)


@pytest.mark.parametrize("kernel", ALL)
def test_last_step_answers_the_estimate(kernel):
    # Churn first raises the level; the others ask at the level given.
    asked = []

    def denoise(x, sigma):
        asked.append((x, sigma))
        return PRIOR(x, sigma)

    answer = kernel(denoise, picture(), level(0.5), level(0.0), Noise([0]))
    torch.testing.assert_close(answer, PRIOR(*asked[0]), atol=1e-14, rtol=0)
    assert len(asked) == 1


@pytest.mark.parametrize("kernel", ALL)
def test_x_is_left_alone(kernel):
    x = picture()
    kernel(PRIOR, x, level(0.5), level(0.3), Noise([0]))
    assert torch.equal(x, picture())


def test_ddim_1_is_the_ancestral_step_of_ddpm():
    # Ho et al. 2020, eq. 6 and 7, in x_t = sqrt(abar_t) (x0 + sigma_t z).
    abar, abar_next = level(0.3), level(0.45)
    alpha = abar / abar_next
    x0, x_t = picture(1), picture(2)
    mean = abar_next.sqrt() * (1 - alpha) / (1 - abar) * x0 + alpha.sqrt() * (1 - abar_next) / (1 - abar) * x_t
    variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
    sigma, sigma_next = ((1 - abar) / abar).sqrt(), ((1 - abar_next) / abar_next).sqrt()
    found = kernels.ddim(1.0)(lambda x, sigma: x0, x_t / abar.sqrt(), sigma, sigma_next, Noise([4]))
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
    found = kernels.ddim(eta)(lambda x, sigma: x0, x0 + sigma * eps, sigma, sigma_next, Noise([4]))
    torch.testing.assert_close(found, wanted / alpha_next.sqrt(), atol=1e-12, rtol=0)


def test_diffpir_is_equation_13():
    alpha_next, zeta = level(0.6), 0.3
    x0, eps, sigma = picture(1), picture(2), level(2.0)
    fresh = Noise([4])(x0)
    wanted = alpha_next.sqrt() * x0 + (1 - alpha_next).sqrt() * (math.sqrt(1 - zeta) * eps + math.sqrt(zeta) * fresh)
    sigma_next = ((1 - alpha_next) / alpha_next).sqrt()
    found = kernels.diffpir(zeta)(lambda x, sigma: x0, x0 + sigma * eps, sigma, sigma_next, Noise([4]))
    torch.testing.assert_close(found, wanted / alpha_next.sqrt(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kernel", [kernels.ddim(0.0), kernels.ddim(0.5), kernels.ddim(1.0), kernels.diffpir(0.3)])
def test_kept_and_fresh_noise_add_up_to_the_next_level(kernel):
    # With x0 known, x' - x0 must have standard deviation sigma_next whatever the share of fresh noise.
    nothing = Gaussian(torch.zeros(6, 6))
    torch.testing.assert_close(unguided(kernel, geometric(3.0, 0.2, 4), nothing).covariance, 0.04 * torch.eye(6).double())


def test_ddim_0_and_heuns_predictor_are_euler_steps_of_the_ode():
    x, sigma, after = picture(), level(0.9), level(0.6)
    slope = (x - PRIOR(x, sigma)) / sigma
    euler = x + (after - sigma) * slope
    torch.testing.assert_close(kernels.ddim(0.0)(PRIOR, x, sigma, after, Noise([0])), euler, atol=1e-14, rtol=0)
    trapezium = x + (after - sigma) * (slope + (euler - PRIOR(euler, after)) / after) / 2
    torch.testing.assert_close(kernels.heun()(PRIOR, x, sigma, after, Noise([0])), trapezium, atol=1e-14, rtol=0)


def test_euler_maruyama_is_one_step_of_the_reverse_sde():
    x, sigma, after = picture(), level(0.9), level(0.6)
    score = (PRIOR(x, sigma) - x) / sigma**2
    wanted = x + (0.81 - 0.36) * score + math.sqrt(0.81 - 0.36) * Noise([3])(x)
    torch.testing.assert_close(kernels.euler_maruyama()(PRIOR, x, sigma, after, Noise([3])), wanted, atol=1e-14, rtol=0)


@pytest.mark.parametrize(("kernel", "order"), [(kernels.ddim(0.0), 1), (kernels.heun(), 2)], ids=["ddim(0)", "heun"])
def test_order_of_convergence_to_the_flow(kernel, order):
    # The flow keeps each eigenvector's coefficient in proportion to the standard deviation of x there.
    high, low = 10.0, 0.05
    x = picture() * high
    scale = ((PRIOR.values + low**2) / (PRIOR.values + high**2)).sqrt()
    wanted = (((x.flatten() - PRIOR.mean) @ PRIOR.basis) * scale) @ PRIOR.basis.T + PRIOR.mean
    errors = []
    for steps in (40, 80, 160):
        path, moved = geometric(high, low, steps), x
        for sigma, after in pairwise(path):
            moved = kernel(PRIOR, moved, sigma, after, Noise([0]))
        errors.append(float((moved.flatten() - wanted).norm()))
    found = [math.log2(before / after) for before, after in pairwise(errors)]
    assert found == pytest.approx([order, order], abs=0.12)


@pytest.mark.parametrize("kernel", [kernels.ddim(1.0), kernels.euler_maruyama()], ids=["ddim(1)", "euler_maruyama"])
def test_weak_order_1_of_the_random_kernels(kernel):
    # Given x at level u = sigma^2, x at u' is Gaussian: mean (l + u') / (l + u) x, variance (u - u') (l + u') / (l + u).
    high, low = 10.0, 0.05
    u, after, values = high**2, low**2, PRIOR.values
    shrink = (values + after) / (values + u)
    variance = PRIOR.basis * (shrink**2 * u + (u - after) * shrink) @ PRIOR.basis.T
    laws = [unguided(kernel, geometric(high, low, steps)) for steps in (40, 80, 160)]
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
    path = geometric(3.0, 0.2, 5)
    torch.testing.assert_close(unguided(kernels.heun(churn), path, nothing).covariance, 0.04 * torch.eye(6).double())
    # Where D = x nothing moves: what is added is raised^2 - sigma^2, at every step.
    added = sum(float(sigma) ** 2 * ((1 + churn) ** 2 - 1) for sigma in path[:-1])
    flat = Gaussian(1e14 * torch.eye(6))
    torch.testing.assert_close(unguided(kernels.heun(churn), path, flat).covariance, (9 + added) * torch.eye(6).double())


@pytest.mark.parametrize("kernel", [kernels.ddim(0.0), kernels.heun()])
def test_deterministic_kernels_draw_nothing(kernel):
    def noise(like):
        raise AssertionError("drew noise")

    kernel(PRIOR, picture(), level(0.9), level(0.6), noise)
