"""Objectives of every family: their closed forms on Gaussian pictures, and each paper's loss written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from restore.objectives import DDPMObjective, HybridObjective
from restore.objectives.hybrid import discretized_gaussian_nll
from restore.priors import DDPM, NCSN, VE, VP, Flow, SubVP
from restore.priors.families.ddpm import Reverse
from restore.priors.families.tables import alphas_cumprod
from restore.training.families import OPTIONS, config, objective, settings

VARIANCE = 0.25
ABAR = alphas_cumprod("linear")
KINDS = {
    "ddpm epsilon": ("ddpm", {"prediction": "epsilon"}),
    "ddpm v": ("ddpm", {"prediction": "v", "schedule": "cosine"}),
    "ddpm x0": ("ddpm", {"prediction": "x0"}),
    "ncsn": ("ncsn", {"levels": 12}),
    "vp": ("vp", {}),
    "subvp": ("subvp", {}),
    "ve": ("ve", {"sigma_max": 50.0}),
    "edm": ("edm", {}),
    "flow": ("flow", {}),
}


def parse(kind):
    family, given = KINDS[kind]
    words = settings(family, given)
    return objective(config(family, {"channels": 1}, words, None), words)


def seeded(seed=0):
    return Generator().manual_seed(seed)


def white(count=4096, side=6, seed=1):
    return VARIANCE**0.5 * torch.randn(count, 1, side, side, generator=seeded(seed))


def column(sigma):
    return sigma[:, None, None, None]


def heard(kind, factor):
    """Loss of the best denoiser of white pictures, times a factor; its levels and weights."""
    levels = []

    def denoise(x, sigma):
        levels.append(sigma)
        return factor * VARIANCE / (VARIANCE + column(sigma) ** 2) * x

    law = parse(kind)
    loss = law.loss(denoise, white(), seeded()).item()
    return loss, levels[0].double(), law.weight(levels[0]).double()


@pytest.mark.parametrize("factor", [1.0, 0.9, 1.1])
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_a_known_denoiser_is_known_and_least_for_the_best(kind, factor):
    loss, sigma, weight = heard(kind, factor)
    # E|f D* - x0|^2 = sigma^2 v / (sigma^2 + v) + (f - 1)^2 v^2 / (sigma^2 + v): the best D is uncorrelated with its error.
    each = weight * (sigma**2 + (factor - 1) ** 2 * VARIANCE) * VARIANCE / (sigma**2 + VARIANCE)
    # The mean over 36 values of a picture's squared error scatters by sqrt(2 / 36) of itself.
    scatter = (each.square().sum() * 2 / 36).sqrt() / len(each)
    assert abs(loss - each.mean()) < 4 * scatter
    assert factor == 1.0 or loss > heard(kind, 1.0)[0]  # On the same pictures and noise.


class Answering(nn.Module):
    """A network that answers what it likes and remembers what it was shown."""

    def forward(self, x, level):
        self.shown = x, level
        self.answer = (1.7 * x + 0.1).sin()
        return self.answer


def chain(prediction):
    def target(x_t, time, clean):
        abar = ABAR[time.long()].float()[:, None, None, None]
        eps = (x_t - abar.sqrt() * clean) / (1 - abar).sqrt()
        return {"epsilon": eps, "sample": clean, "v_prediction": abar.sqrt() * eps - (1 - abar).sqrt() * clean}[prediction], 1.0

    return target


def vp_noise(x_t, level, clean):
    alpha_squared = column((-0.1 * level / 999 - 19.9 * (level / 999) ** 2 / 2).exp())
    return (x_t - alpha_squared.sqrt() * clean) / (1 - alpha_squared).sqrt(), 1.0


def sub_vp_noise(x_t, level, clean):
    alpha_squared = column((-0.1 * level / 999 - 19.9 * (level / 999) ** 2 / 2).exp())
    return (x_t - alpha_squared.sqrt() * clean) / (1 - alpha_squared), 1.0


def score(x, sigma, clean):
    return -(x - clean) / column(sigma) ** 2, column(sigma)  # lambda = sigma^2 weighs the squared error.


def velocity(x_t, level, clean):
    time = column(level / 999)
    return (x_t - (1 - time) * clean) / time - clean, 1.0


PAPERS = {
    "ddpm epsilon": (lambda n: DDPM(n, ABAR, channels=1), chain("epsilon")),
    "ddpm x0": (lambda n: DDPM(n, ABAR, prediction="sample", channels=1), chain("sample")),
    "vp": (lambda n: VP(n, channels=1), vp_noise),
    "subvp": (lambda n: SubVP(n, channels=1), sub_vp_noise),
    "ve": (lambda n: VE(n, channels=1, sigma_max=50.0), score),
    "ncsn": (lambda n: NCSN(n, channels=1, count=12), score),
    "flow": (lambda n: Flow(n, channels=1), velocity),
}


@pytest.mark.parametrize("kind", PAPERS)
def test_the_loss_is_the_error_of_what_the_network_predicts(kind):
    make, target = PAPERS[kind]
    network = Answering()
    clean = white(64, side=8).double()  # The chain of casts below would hide a wrong weight in float32.
    prior = make(network)
    loss = parse(kind).loss(prior, clean, seeded())
    x, level = network.shown
    wanted, weight = target(x.double(), level.double(), clean)
    error = (weight * (network.answer - wanted)).square()
    # Near t = 0 of vp, x_t - alpha x0 loses digits: the smallest of 64 uniform t leaves plenty.
    torch.testing.assert_close(loss, error.mean(), rtol=1e-5, atol=0)


def test_v_is_weighed_as_v():
    network = Answering()
    prior = DDPM(network, ABAR, prediction="v_prediction", channels=1)
    clean = white(64, side=8).double()
    loss = DDPMObjective(prior.table, "v_prediction").loss(prior, clean, seeded())
    x_t, time = network.shown
    wanted, _ = chain("v_prediction")(x_t, time, clean)
    torch.testing.assert_close(loss, (network.answer - wanted).square().mean(), rtol=1e-5, atol=0)


# Levels


def uniform(values, low, high, count=40000):
    """Whether values are spread evenly, by five quantiles at four standard errors."""
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        found = (values < low + share * (high - low)).double().mean().item()
        assert found == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / count))


def times_of(kind, levels):
    """Levels as the times that are uniform, and their range."""
    levels = levels.double()
    if kind == "flow":
        return levels / (1 + levels), 0.002 / 1.002, 80 / 81
    if kind == "ve":
        return (levels / 0.02).log() / math.log(50 / 0.02), 1e-5, 1.0
    return (VP if kind == "vp" else SubVP)(nn.Identity()).time(levels), 1e-5, 1.0


@pytest.mark.parametrize("kind", ["vp", "subvp", "ve", "flow"])
def test_time_is_uniform_over_the_trained_range(kind):
    # One level from each of many batches: those of one batch are spread evenly by construction.
    law, generator = parse(kind), seeded()
    times, low, high = times_of(kind, torch.cat([law.sample_sigma(1, generator) for _ in range(4000)]))
    assert low * (1 - 1e-5) - 1e-6 <= times.min()
    assert times.max() <= high * (1 + 1e-5)
    uniform(times, low, high, count=4000)


@pytest.mark.parametrize("kind", ["vp", "subvp", "ve", "flow"])
def test_times_of_a_small_batch_are_evenly_spaced_with_an_offset_of_chance(kind):
    firsts = []
    for seed in range(200):
        times, low, high = times_of(kind, parse(kind).sample_sigma(8, seeded(seed)))
        shares = ((times - low) / (high - low)).sort().values
        torch.testing.assert_close(shares.diff(), torch.full((7,), 1 / 8, dtype=torch.float64), rtol=0, atol=1e-4)
        firsts.append(shares[0] * 8)
    uniform(torch.stack(firsts), 0.0, 1.0, count=200)


@pytest.mark.parametrize(("kind", "count"), [("ddpm epsilon", 1000), ("ncsn", 12)])
def test_a_small_batch_has_a_level_from_every_part_of_the_chain(kind, count):
    law = parse(kind)
    known = (law.table if kind.startswith("ddpm") else law.sigmas).float()
    seen = set()
    for seed in range(100):
        drawn = law.sample_sigma(4, seeded(seed))
        places = (drawn[:, None] == known).nonzero()[:, 1].sort().values
        assert len(places) == 4
        assert (places.diff() - count / 4).abs().max() < 1
        seen |= set(places.tolist())
    assert len(seen) > min(count - 1, 300)  # And of all of them over the run.


@pytest.mark.parametrize(("kind", "count"), [("ddpm epsilon", 1000), ("ncsn", 12)])
def test_trained_levels_have_equal_chances_and_no_others_are_drawn(kind, count):
    law = parse(kind)
    known = (law.table if kind.startswith("ddpm") else law.sigmas).float()
    generator = seeded()
    drawn = torch.cat([law.sample_sigma(4, generator) for _ in range(10000)])
    assert set(drawn.tolist()) == set(known.tolist())
    assert len(known) == count
    counts = (drawn[:, None] == known).sum(dim=0)
    assert (counts - 40000 / count).abs().max() < 4.5 * math.sqrt(40000 / count)


# Tables


def test_the_linear_table_is_the_papers():
    betas = 1 - ABAR[1:] / ABAR[:-1]
    torch.testing.assert_close(betas, torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)[1:])
    assert ABAR[0] == pytest.approx(1 - 1e-4)
    # At another number of steps the chain ends at about the same noise.
    assert alphas_cumprod("linear", 250)[-1].log() == pytest.approx(ABAR[-1].log().item(), rel=0.03)


def test_the_cosine_table_is_the_papers():
    abar = alphas_cumprod("cosine")
    angles = (torch.arange(1, 1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2
    wave = (angles.cos() / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2
    torch.testing.assert_close(abar[:990], wave[:990], rtol=1e-9, atol=0)
    assert (1 - abar[1:] / abar[:-1]).max() <= 0.999 + 1e-12


# Learned variance


def chain_of(t):
    before = torch.where(t > 0, ABAR[(t - 1).clamp(min=0)], 1.0)
    beta = 1 - ABAR[t] / before
    return ABAR[t], before, beta


def best_step(share=1.0):
    """The reverse steps of white pictures, exactly: Var(x_{t-1} | x_t) is beta-tilde and what is not known of x0."""

    def model(x_t, t):
        abar, before, beta = chain_of(t)
        sigma2 = (1 - abar) / abar
        x0 = column(VARIANCE / (VARIANCE + sigma2) / abar.sqrt()).float() * x_t
        tilde, pull = beta * (1 - before) / (1 - abar), before.sqrt() * beta / (1 - abar)
        mean = column(pull).float() * x0 + column((1 - beta).sqrt() * (1 - before) / (1 - abar)).float() * x_t
        unknown = sigma2 * VARIANCE / (VARIANCE + sigma2)
        spread = (tilde + pull**2 * unknown) * share
        return Reverse(x0, mean, column(spread.log()).float().expand_as(x_t))

    return model


def test_the_bound_of_exact_reverse_steps_is_known_and_no_other_variance_has_less():
    clean, times = white(8192), []

    def bound(model):
        def noted(x_t, t):
            times.append(t)
            return model(x_t, t)

        whole = HybridObjective(ABAR, share=1e6).loss(noted, clean, seeded()).item()
        # With a share of 1e6 the simple loss, at most 1, is below what is compared.
        return whole / 1e6

    best = bound(best_step())
    t = times[0]
    abar, before, beta = chain_of(t)
    sigma2 = (1 - abar) / abar
    tilde, pull = beta * (1 - before) / (1 - abar), before.sqrt() * beta / (1 - abar)
    spread = tilde + pull**2 * sigma2 * VARIANCE / (VARIANCE + sigma2)
    later = t > 0
    # KL of two Gaussians, its quadratic term in the mean: log(spread / tilde) / 2, times 1000 steps, in bits.
    wanted = 1000 * ((spread / tilde).log() / 2)[later].sum().item() / math.log(2) / len(t)
    first = -(1 / 127.5 / (2 * math.pi * math.e * spread).sqrt()).log()[~later].sum().item() / math.log(2) / len(t) * 1000
    assert best == pytest.approx(wanted + first, rel=0.02)
    for share in (0.8, 1.25):
        assert bound(best_step(share)) > best


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.spread = nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor(0.1))

    def forward(self, x_t, time):
        return torch.cat([self.mean * x_t, self.spread.expand_as(x_t)], dim=1)


def test_the_bound_teaches_the_variance_alone():
    gradients = []
    for law in (HybridObjective(ABAR), DDPMObjective(((1 - ABAR) / ABAR).sqrt())):
        network = Both()
        prior = DDPM(network, ABAR, variance="learned", channels=1)
        law.loss(law.model_for(prior), white(32), seeded()).backward()
        gradients.append((network.mean.grad, network.spread.grad))
    torch.testing.assert_close(gradients[0][0], gradients[1][0], rtol=1e-3, atol=1e-6)
    assert gradients[0][1].abs() > 1e-6
    assert not gradients[1][1].any()


def test_the_discretized_likelihood_is_a_distribution_over_grey_levels():
    levels = torch.arange(256, dtype=torch.float64).reshape(1, 1, 16, 16) / 127.5 - 1
    for mean, std in ((0.1, 0.3), (-0.95, 0.02), (1.4, 0.5)):
        lengths = discretized_gaussian_nll(levels, torch.full_like(levels, mean), torch.full_like(levels, 2 * math.log(std)))
        assert (-lengths).exp().sum().item() == pytest.approx(1, abs=1e-9)


# The words of each family


def test_words_of_another_family_are_refused():
    from restore.errors import UsageError

    with pytest.raises(UsageError, match=r"sigma_max is for edm, ncsn, ve; family vp does not have it"):
        settings("vp", {"sigma_max": 3.0, "levels": None})
    assert settings("ve", {"sigma_max": 3.0, "levels": None}) == {"sigma_min": 0.02, "sigma_max": 3.0}


@pytest.mark.parametrize("family", OPTIONS)
def test_a_config_builds_the_prior_it_names(family):
    from restore.priors.loaders import folder

    network = {"type": "residual-unet", "channels": 1, "widths": [8, 8], "blocks": 1, "constants": True}
    built = folder.build(config(family, network, settings(family, {}), None))
    kinds = {"ddpm": "DDPM", "edm": "EDM", "flow": "Flow", "ncsn": "NCSN", "subvp": "SubVP", "ve": "VE", "vp": "VP"}
    assert type(built).__name__ == kinds[family]
    x = torch.randn(2, 1, 7, 9, generator=seeded())
    with torch.no_grad():
        assert bool(built(x, 0.5).isfinite().all())
