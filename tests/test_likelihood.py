"""Bits a dimension and denoising, where the answer is known: pictures that are Gaussian."""

import math
from itertools import pairwise

import pytest
import torch
from gaussian import Gaussian, decaying

from restore.errors import PriorError, UsageError
from restore.likelihood import bits_per_dim, denoising_psnr, dequantised, flow_likelihood, variational_bound
from restore.likelihood.units import GREY, eight_bit, seeded
from restore.priors import DDPM, Prior

SHAPE = (1, 2, 3)
PRIOR = Gaussian(0.04 * decaying(6, 0.7), mean=0.1)


def log_density(prior, x, blur=0.0):
    """log N(x; mean, covariance + blur^2), (N,) nats."""
    values = prior.values + blur**2
    whitened = (x.double() - prior.mean).flatten(1) @ prior.basis
    return -((whitened**2 / values + (2 * math.pi * values).log()) / 2).sum(1)


def entropy(prior):
    """Bits a dimension of 8-bit samples of a Gaussian."""
    return float((2 * math.pi * math.e * prior.values).log2().mean() / 2) - math.log2(GREY)


class White(torch.nn.Module):
    """What the best network answers for white pictures of a variance: eps, and the exact variance of the reverse steps."""

    def __init__(self, abar, variance):
        super().__init__()
        self.abar, self.variance = abar, variance

    def forward(self, x_t, t):
        t = t.long()
        now = self.abar[t]
        before = torch.where(t > 0, self.abar[(t - 1).clamp(min=0)], 1.0)
        beta, signal = 1 - now / before, self.variance
        eps = ((1 - now).sqrt() / (signal * now + 1 - now)).to(x_t)[:, None, None, None] * x_t
        # x_{t-1} has variance v_, x_t has v, their covariance is sqrt(1 - beta) v_.
        v, v_ = signal * now + 1 - now, signal * before + 1 - before
        exact = v_ - (1 - beta) * v_**2 / v
        previous = torch.where(t > 0, before, self.abar[0])  # beta-tilde_0 is 0: beta-tilde_1 stands for it.
        small = torch.where(t > 0, beta * (1 - previous) / (1 - now), self._first())
        share = (exact / small).log() / (beta / small).log()
        return torch.cat([eps, (2 * share - 1).to(x_t)[:, None, None, None].expand_as(x_t)], dim=1)

    def _first(self):
        return (1 - self.abar[1] / self.abar[0]) * (1 - self.abar[0]) / (1 - self.abar[1])


def table(steps):
    return torch.linspace(1e-4, 0.02, steps, dtype=torch.float64).mul(-1000 / steps).exp().cumprod(0)


def white(steps, variance=0.04, kind="learned"):
    abar = table(steps)
    return DDPM(White(abar, variance), abar, variance=kind, channels=1)


def eight_bit_pictures(count, variance=0.04, seed=0):
    drawn = torch.randn(count, *SHAPE, generator=seeded(seed), dtype=torch.float64) * variance**0.5
    return eight_bit(drawn).float()


def test_the_bound_with_exact_reverse_steps_is_the_likelihood():
    # Every divergence is then that of exact posteriors: the bound is -log2 p(x) of each picture, up to the noise drawn.
    x0, known = eight_bit_pictures(16000), Gaussian(0.04 * torch.eye(6))
    found = variational_bound(white(60), x0, batch=16000, seed=1)
    gap = found.total - bits_per_dim(log_density(known, x0), 6)
    error = float(gap.std()) / len(gap) ** 0.5
    assert error < 0.005
    assert float(gap.mean()) == pytest.approx(0, abs=4 * error)
    torch.testing.assert_close(found.total, found.prior + found.steps + found.decoder)
    assert float(found.total.mean()) == pytest.approx(entropy(known), abs=0.025)


def test_the_terms_of_a_chain_are_those_of_the_closed_form():
    # With the variance of q, KL = (1 / s'^2 - 1 / s^2) |x0 - D|^2 / 2, and E |x0 - D|^2 = sum of l s^2 / (l + s^2).
    chain = torch.logspace(1.5, -2, 30, dtype=torch.float64)
    x0 = PRIOR.draw(20000, SHAPE).float()
    found = variational_bound(PRIOR, x0, levels=chain, batch=20000)
    for term, (high, low) in zip(found.terms, pairwise(chain.tolist()), strict=True):
        error = float((PRIOR.values * high**2 / (PRIOR.values + high**2)).sum())
        wanted = (1 / low**2 - 1 / high**2) * error / 2 / (6 * math.log(2))
        assert term.bits == pytest.approx(wanted, rel=0.03)
        assert (term.sigma, term.sigma_next, term.weight) == (high, low, 1)
    assert [term.step for term in found.terms] == list(range(29, 0, -1))
    square = float((PRIOR.values + PRIOR.mean**2).sum())
    top = 1 + float(chain[0]) ** 2
    wanted = (6 * (1 / top * float(chain[0]) ** 2 - 1 - math.log(float(chain[0]) ** 2 / top)) + square / top) / 2
    assert float(found.prior.mean()) == pytest.approx(wanted / (6 * math.log(2)), rel=0.02)


def test_the_bound_of_any_prior_comes_down_to_its_entropy():
    x0 = eight_bit(PRIOR.draw(3000, SHAPE)).float()
    wanted = bits_per_dim(log_density(PRIOR, x0), 6)
    gaps = []
    for count in (30, 60, 120):
        chain = torch.logspace(math.log10(80), -2, count, dtype=torch.float64)
        gaps.append(float((variational_bound(PRIOR, x0, levels=chain, batch=3000).total - wanted).mean()))
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert float(wanted.mean()) == pytest.approx(entropy(PRIOR), abs=0.03)
    by_default = variational_bound(PRIOR, x0[:1000], batch=1000).total
    assert float((by_default - wanted[:1000]).mean()) == pytest.approx(0, abs=0.05)


def test_every_few_steps_stand_for_all():
    prior, x0 = white(200), eight_bit_pictures(1000)
    whole, thin = (variational_bound(prior, x0, every=every, batch=1000) for every in (1, 7))
    assert sum(term.weight for term in thin.terms) == sum(term.weight for term in whole.terms) == 199
    assert len(thin.terms) == 14 + 27
    assert float(thin.steps.mean()) == pytest.approx(float(whole.steps.mean()), rel=0.03)
    assert [term.weight for term in thin.terms[-14:]] == [1] * 14
    assert float(thin.total.mean()) == pytest.approx(float((thin.prior + thin.steps + thin.decoder).mean()))


def test_the_decoder_spreads_all_mass_over_256_values():
    class Far(Prior):
        channels, sigma_min, sigma_max = 1, 0.3, 10.0

        def denoise(self, x, sigma):
            return torch.full_like(x, 0.9)

    values = (torch.arange(256) * GREY - 1).reshape(256, 1, 1, 1)
    found = variational_bound(Far(), values, levels=torch.tensor([10.0, 0.3]), batch=256)
    assert float((2**-found.decoder).sum()) == pytest.approx(1, abs=1e-6)
    assert bool(found.decoder.isfinite().all())


def test_flow_likelihood_is_the_log_density_and_of_fourth_order():
    # Independent dimensions: the Jacobian is diagonal, so signs give its trace exactly.
    prior = Gaussian(torch.diag(torch.tensor([0.01, 0.04, 0.1, 0.2, 0.3, 1e-3])), mean=0.1)
    prior.sigma_min, prior.sigma_max = 0.01, 1e4
    x = prior.draw(20, SHAPE)
    wanted = log_density(prior, x, blur=0.01)
    torch.testing.assert_close(flow_likelihood(prior, x, steps=160, batch=7), wanted, atol=2e-4, rtol=0)
    errors = [float((flow_likelihood(prior, x, steps=steps) - wanted).abs().mean()) for steps in (20, 40, 80)]
    assert [math.log2(before / after) for before, after in pairwise(errors)] == pytest.approx([4, 4], abs=0.5)


def test_hutchinsons_trace_is_right_on_average():
    x = PRIOR.draw(1, SHAPE).expand(4000, *SHAPE)
    one, many = (flow_likelihood(PRIOR, x[:count], probes=probes, batch=4000) for count, probes in ((4000, 1), (400, 10)))
    wanted = float(log_density(PRIOR, x[:1], blur=0.002))
    assert float(one.mean()) == pytest.approx(wanted, abs=4 * float(one.std()) / 4000**0.5 + 2e-3)
    assert float(many.std()) == pytest.approx(float(one.std()) / 10**0.5, rel=0.15)


def test_bits_of_the_flow_are_the_known_entropy():
    x = eight_bit(PRIOR.draw(2000, SHAPE))
    found = bits_per_dim(flow_likelihood(PRIOR, dequantised(x, seeded(3)), batch=2000), 6)
    assert float(found.mean()) == pytest.approx(entropy(PRIOR), abs=0.05)


def test_dequantised_pictures_lie_within_half_a_level():
    x = eight_bit_pictures(3000)
    noise = (dequantised(x, seeded(0)) - x).double() / GREY
    assert float(noise.abs().max()) <= 0.5 + 1e-4
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.var()) == pytest.approx(1 / 12, rel=0.03)


def test_bits_of_a_uniform_density_are_eight():
    # Density 1/2 over [-1, 1], less the half level beyond both ends: log2 of 255 levels.
    assert float(bits_per_dim(torch.tensor([5 * math.log(0.5)]), 5)) == pytest.approx(math.log2(255))


def test_denoising_is_the_closed_form():
    x0 = PRIOR.draw(20000, SHAPE).float()
    found = denoising_psnr(PRIOR, x0, sigmas=(0.05, 0.5, 5.0, 500.0), batch=20000)
    assert [line.sigma for line in found] == [0.05, 0.5, 5.0]
    for line in found:
        error = float((PRIOR.values * line.sigma**2 / (PRIOR.values + line.sigma**2)).mean())
        assert line.psnr == pytest.approx(10 * math.log10(4 / error), abs=0.1)
        assert line.noisy == pytest.approx(10 * math.log10(4 / line.sigma**2), abs=0.1)


class Broken(Prior):
    channels = 1

    def denoise(self, x, sigma):
        return x / 0


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda x: variational_bound(white(30), x, levels=torch.tensor([2.0, 1.0])), UsageError, "leave the levels out"),
        (lambda x: variational_bound(PRIOR, x, levels=torch.tensor([1.0, 2.0])), UsageError, "levels above 0 that fall"),
        (lambda x: variational_bound(PRIOR, x, levels=torch.tensor([1.0, 0.0])), UsageError, "levels above 0 that fall"),
        (lambda x: variational_bound(Broken(), x, levels=torch.tensor([2.0, 1.0])), PriorError, "not finite"),
        (lambda x: flow_likelihood(Broken(), x), PriorError, "not finite"),
        (lambda x: flow_likelihood(PRIOR, x, steps=0), UsageError, "at least 1, got 0 and 1"),
        (lambda x: denoising_psnr(PRIOR, x, sigmas=(1e4,)), UsageError, "no level lies in the prior's range, 0.002 to 80"),
    ],
)
def test_errors_are_one_line(ask, error, said):
    with pytest.raises(error, match=said):
        ask(torch.zeros(2, *SHAPE))
