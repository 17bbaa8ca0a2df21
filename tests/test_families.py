"""Families of prior: on Gaussian pictures each is its closed form, and one network asked in several ways answers the same."""

from __future__ import annotations

import math

import pytest
import torch
from gaussian import Gaussian
from torch import nn

from restore.errors import PriorError
from restore.priors import DDPM, EDM, NCSN, VE, VP, Flow, SubVP
from restore.testing import check_prior

CHANNELS, SIDE = 3, 4
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


ROOT = draw(CHANNELS * SIDE**2, CHANNELS * SIDE**2, seed=5) / 7
TRUTH = Gaussian(ROOT @ ROOT.T, mean=0.1, channels=CHANNELS)


def clean_of(x_t, alpha, std):
    """E[x0 | alpha x0 + std z = x_t] by a dense solve, one picture after the other."""
    size = TRUTH.covariance.shape[0]
    rows = []
    for row, a, s in zip(x_t.flatten(1), alpha.tolist(), std.tolist(), strict=True):
        spread = a**2 * TRUTH.covariance + s**2 * torch.eye(size).double()
        rows.append(TRUTH.mean + a * TRUTH.covariance @ torch.linalg.solve(spread, row - a * TRUTH.mean))
    return torch.stack(rows).reshape(x_t.shape)


class Best(nn.Module):
    """The best network of a family: told how its second argument says (alpha, std) and what it answers of x_t, x0."""

    def __init__(self, marginal, answer):
        super().__init__()
        self.marginal, self.answer = marginal, answer

    def forward(self, x_t, level):
        exact = x_t.double()
        alpha, std = self.marginal(level.double())
        x0 = clean_of(exact, alpha, std)
        alpha, std = alpha[:, None, None, None], std[:, None, None, None]
        return self.answer(exact, x0, alpha, std, (exact - alpha * x0) / std).to(x_t)


def noise_of(x_t, x0, alpha, std, z):
    return z


def score_of(x_t, x0, alpha, std, z):
    return -z / std


def vp(level, low=0.1, high=20.0):
    time = level / 999
    integral = low * time + (high - low) * time**2 / 2
    return (-integral / 2).exp(), (1 - (-integral).exp()).sqrt()


def sub_vp(level):
    alpha, _ = vp(level)
    return alpha, 1 - alpha**2


def exploding(sigma):
    return torch.ones_like(sigma), sigma


FAMILIES = {
    "vp": lambda: VP(Best(vp, noise_of)),
    "vp, other betas": lambda: VP(Best(lambda t: vp(t, 0.3, 9.0), noise_of), beta_min=0.3, beta_max=9.0),
    "subvp": lambda: SubVP(Best(sub_vp, noise_of)),
    "ve": lambda: VE(Best(exploding, score_of)),
    "ncsn": lambda: NCSN(Best(exploding, score_of), count=20),
    "flow": lambda: Flow(Best(lambda t: (1 - t / 999, t / 999), lambda x_t, x0, alpha, std, z: z - x0)),
}


def parse(name):
    prior = FAMILIES[name]()
    prior.multiple_of = 1
    return prior


def noisy(sigma, count=3):
    return TRUTH.draw(count, (CHANNELS, SIDE, SIDE)) + sigma * draw(count, CHANNELS, SIDE, SIDE)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_equals_the_closed_form(name, share):
    prior = parse(name)
    sigma = prior.sigma_min ** (1 - share) * prior.sigma_max**share
    x = noisy(sigma)
    # x - sigma eps is a small difference of large numbers: at sigma 100, rounding is that of x. At the smallest level of vp
    # alpha^2 is known to 1e-16 and std^2 = 1 - alpha^2 = 1e-6 with it to 1e-10.
    torch.testing.assert_close(prior(x, sigma), TRUTH(x, torch.tensor(sigma, dtype=torch.float64)), atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_picture_is_asked_at_its_own_level(name):
    prior = parse(name)
    sigma = torch.tensor([0.1, 1.0, 9.0], dtype=torch.float64)
    x = noisy(1.0)
    torch.testing.assert_close(prior(x, sigma), TRUTH(x, sigma), atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_keeps_the_laws_of_a_prior(name):
    prior = FAMILIES[name]()
    prior.network = Small()  # Of any size, where `Best` knows one.
    check_prior(prior)


@pytest.mark.parametrize("name", FAMILIES)
def test_float32_is_close_over_the_whole_range(name):
    prior = parse(name)
    for sigma in (prior.sigma_min, 0.5, prior.sigma_max):
        x = noisy(sigma)
        found = prior(x.float(), sigma)
        assert found.dtype == torch.float32
        error = (found.double() - TRUTH(x, torch.tensor(sigma, dtype=torch.float64))).abs().max()
        assert error < 2e-5 + 4e-7 * x.abs().max()


# One network, two ways to ask it


class Small(nn.Module):
    """Any function of x_t and t, neither linear nor optimal."""

    def forward(self, x_t, time):
        return (1.3 * x_t + time[:, None, None, None] / 700).sin() * x_t.roll(1, -1)


def asked_as(prediction):
    """The network `Small`, a predictor of eps, turned into one of v or x0 at the chain's own levels."""

    class PeriodicalSelfEnsemble(nn.Module):
        def forward(self, x_t, time):
            abar = ABAR[time.long()][:, None, None, None]
            alpha, std = abar.sqrt(), (1 - abar).sqrt()
            eps = Small()(x_t, time)
            x0 = (x_t - std * eps) / alpha
            return {"epsilon": eps, "sample": x0, "v_prediction": alpha * eps - std * x0}[prediction]

    return DDPM(PeriodicalSelfEnsemble(), ABAR, prediction=prediction)


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
def test_a_network_of_eps_asked_as_one_of_v_or_x0_answers_the_same(prediction):
    times = torch.tensor([0, 1, 300, 998, 999])
    sigma = asked_as("epsilon").table[times]
    x = (1 + sigma[:, None, None, None] ** 2).sqrt() * draw(5, CHANNELS, SIDE, SIDE)
    torch.testing.assert_close(asked_as(prediction)(x, sigma), asked_as("epsilon")(x, sigma), atol=1e-10, rtol=1e-10)


def test_a_chain_cut_out_of_vp_is_ddpm():
    times = torch.arange(1000, dtype=torch.float64) / 999 * (1 - 1e-3) + 1e-3
    continuous = VP(Small(), multiple_of=1)
    sigma = continuous.sigma(times)
    abar = 1 / (1 + sigma**2)
    alpha_squared = (-0.1 * times - 19.9 * times**2 / 2).exp()  # Song et al. 2021, eq. 29.
    torch.testing.assert_close(abar, alpha_squared, atol=1e-12, rtol=0)

    class Rescaled(Small):  # The chain counts steps, the network hears 999 t.
        def forward(self, x_t, step):
            return super().forward(x_t, 999 * times[step.long()])

    discrete = DDPM(Rescaled(), abar)
    some = torch.tensor([0, 1, 500, 999])
    x = (1 + sigma[some, None, None, None] ** 2).sqrt() * draw(4, CHANNELS, SIDE, SIDE)
    torch.testing.assert_close(discrete(x, sigma[some]), continuous(x, sigma[some]), atol=1e-9, rtol=1e-9)


def test_a_denoiser_asked_as_ve_ncsn_flow_or_edm_answers_the_same():
    def clean(x, sigma):
        return (x / (1 + sigma[:, None, None, None])).tanh()

    class Score(nn.Module):
        def forward(self, x, sigma):
            return (clean(x, sigma) - x) / sigma[:, None, None, None] ** 2

    class Velocity(nn.Module):
        def forward(self, x_t, time):
            t = (time / 999)[:, None, None, None]
            return (x_t - clean(x_t / (1 - t), (t / (1 - t)).flatten())) / t

    class Residual(nn.Module):
        def forward(self, scaled, level):
            sigma = (4 * level).exp()[:, None, None, None]
            total = sigma**2 + 0.25
            x = scaled * total.sqrt()
            return (clean(x, sigma.flatten()) - 0.25 / total * x) / (0.5 * sigma / total.sqrt())

    sigma = torch.tensor([0.05, 1.0, 30.0], dtype=torch.float64)
    x = sigma[:, None, None, None] * draw(3, CHANNELS, SIDE, SIDE) + 0.3
    for prior in (VE(Score()), NCSN(Score()), Flow(Velocity()), EDM(Residual())):
        prior.multiple_of = 1
        torch.testing.assert_close(prior(x, sigma), clean(x, sigma), atol=1e-11, rtol=0)


# Ranges


@pytest.mark.parametrize("kind", [VP, SubVP])
def test_time_and_sigma_are_inverse_over_the_trained_range(kind):
    prior = kind(nn.Identity())
    time = torch.logspace(-5, 0, 200, dtype=torch.float64)
    torch.testing.assert_close(prior.time(prior.sigma(time)), time, atol=0, rtol=1e-9)
    torch.testing.assert_close(prior.time(prior.sigma(time).float()).double(), time, atol=0, rtol=1e-5)
    assert prior.sigma_min == pytest.approx(0.001, rel=1e-3)
    assert prior.sigma_min >= float(prior.sigma(torch.tensor(1e-5, dtype=torch.float64)))
    assert prior.sigma_max == float(prior.sigma(torch.tensor(1.0, dtype=torch.float64)))


def test_ranges_are_those_of_the_papers():
    # alpha(1)^2 = e^-10.05; vp ends with std 1, sub-vp with 1 - alpha^2.
    end = math.exp(-10.05)
    assert VP(nn.Identity()).sigma_max == pytest.approx(math.sqrt((1 - end) / end), rel=1e-12)
    assert SubVP(nn.Identity()).sigma_max == pytest.approx((1 - end) / math.sqrt(end), rel=1e-12)
    exploding = VE(nn.Identity(), sigma_min=0.02, sigma_max=100)
    torch.testing.assert_close(exploding.sigma(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.02, 2**0.5, 100.0]))


def test_levels_of_ncsn_fall_in_equal_ratios():
    levels = NCSN(nn.Identity(), count=10, sigma_min=0.02, sigma_max=2.0).levels
    torch.testing.assert_close(levels[[0, -1]], torch.tensor([2.0, 0.02], dtype=torch.float64), rtol=1e-12, atol=0)
    torch.testing.assert_close(levels[1:] / levels[:-1], torch.full((9,), 0.01 ** (1 / 9), dtype=torch.float64))
    trained = VE(nn.Identity(), levels=torch.tensor([0.1, 5.0, 1.0])).levels
    assert trained.tolist() == pytest.approx([5.0, 1.0, 0.1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: VP(nn.Identity(), beta_min=2, beta_max=1), "0 < beta_min < beta_max"),
        (lambda: NCSN(nn.Identity(), count=1), "count of 2 or more"),
        (lambda: NCSN(nn.Identity(), sigma_min=3, sigma_max=2), "0 < sigma_min < sigma_max"),
        (lambda: DDPM(nn.Identity(), ABAR, variance="large"), "unknown variance 'large'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(PriorError, match=said):
        make()


# The reverse steps of DDPM


class Halves(nn.Module):
    """Answers eps = `Small`, and a second half that rises over the picture from -1 to 1."""

    def forward(self, x_t, time):
        ramp = torch.linspace(-1, 1, x_t[0].numel(), dtype=x_t.dtype).reshape(x_t.shape[1:]).expand_as(x_t)
        return torch.cat([Small()(x_t, time), ramp], dim=1)


TIMES = torch.tensor([0, 1, 2, 500, 999])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_mean_of_a_reverse_step_is_that_of_bayes_rule(prediction):
    x_t = draw(5, CHANNELS, SIDE, SIDE)
    found = asked_as(prediction).reverse_step(x_t, TIMES)
    for row, t in enumerate(TIMES.tolist()):
        eps = Small()(x_t[row : row + 1], torch.tensor([float(t)]).double())
        # Ho et al. eq. 11, which has no x0 in it.
        wanted = (x_t[row] - BETAS[t] / (1 - ABAR[t]).sqrt() * eps[0]) / (1 - BETAS[t]).sqrt()
        torch.testing.assert_close(found.mean[row], wanted, atol=1e-9, rtol=0)
        x0 = (x_t[row] - (1 - ABAR[t]).sqrt() * eps[0]) / ABAR[t].sqrt()
        torch.testing.assert_close(found.x0[row], x0, atol=1e-9, rtol=1e-9)


def test_variances_are_those_of_the_papers():
    x_t = draw(5, CHANNELS, SIDE, SIDE)
    small, large, learned = (
        DDPM(Halves(), ABAR, variance=variance).reverse_step(x_t, TIMES).log_variance
        for variance in ("fixed-small", "fixed-large", "learned")
    )
    for row, t in enumerate(TIMES.tolist()):
        at = max(t, 1)  # beta-tilde of the first step is 0, the second's stands in.
        tilde = math.log((1 - ABAR[at - 1]) / (1 - ABAR[at]) * BETAS[at])
        assert small[row].flatten().tolist() == pytest.approx([tilde] * 48, abs=1e-10)
        assert large[row].flatten().tolist() == pytest.approx([math.log(BETAS[t])] * 48, abs=1e-10)
        assert learned[row].flatten()[[0, -1]].tolist() == pytest.approx([tilde, math.log(BETAS[t])], abs=1e-10)
        middle = learned[row].flatten()
        torch.testing.assert_close(middle.diff(), torch.full((47,), (math.log(BETAS[t]) - tilde) / 47).double())


def test_a_reverse_step_agrees_with_d_and_serves_every_size():
    prior = DDPM(Halves(), ABAR, variance="learned", multiple_of=4)
    x_t = draw(2, CHANNELS, 5, 7)
    step = prior.reverse_step(x_t, torch.tensor([3, 700]))
    sigma = prior.table[[3, 700]]
    wanted = prior(x_t * (1 + sigma[:, None, None, None] ** 2).sqrt(), sigma)
    torch.testing.assert_close(step.x0, wanted, atol=1e-10, rtol=1e-10)
    assert step.mean.shape == step.log_variance.shape == x_t.shape


def test_a_learned_variance_needs_a_second_half():
    prior = DDPM(Small(), ABAR, variance="learned")
    with pytest.raises(PriorError, match="6 output channels"):
        prior.reverse_step(draw(1, CHANNELS, SIDE, SIDE), torch.tensor([5]))
