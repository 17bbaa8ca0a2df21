"""Fills that follow a guide (restore/operators/fill.py)."""

import pytest
import torch
from torch.nn import functional as F

from restore.operators.fill import Energy, _coarse_to_fine, guided_fill, pull_push
from restore.operators.plate import TENSION, _relaxed, plate_fill


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize(("membrane", "plate"), [(1.0, 0.0), (0.03, 1.0)])
def test_the_operator_is_the_gradient_of_the_energy_written_out(membrane, plate):
    guide, u = uniform(1, 1, 5, 4), uniform(1, 2, 5, 4, seed=1)
    pairs = [((r, c), (r + dr, c + dc)) for r in range(5) for c in range(4) for dr, dc in ((0, 1), (1, 0))]
    pairs = [(a, b) for a, b in pairs if b[0] < 5 and b[1] < 4]
    weights = [torch.exp(-((guide[0, 0][a] - guide[0, 0][b]) ** 2) / (2 * 0.2**2)) + 1e-3 for a, b in pairs]
    bent, degree = torch.zeros(2, 5, 4, dtype=torch.float64), torch.zeros(5, 4, dtype=torch.float64)
    stretched = torch.zeros((), dtype=torch.float64)
    for (a, b), weight in zip(pairs, weights, strict=True):
        apart = u[0][(slice(None), *a)] - u[0][(slice(None), *b)]
        stretched += weight * apart.square().sum()
        bent[(slice(None), *a)] += weight * apart
        bent[(slice(None), *b)] -= weight * apart
        degree[a] += weight
        degree[b] += weight
    wanted = membrane * stretched + plate * (bent / degree).square().sum()
    operator, _ = Energy(contrast=0.2, membrane=membrane, plate=plate).operator(guide)
    torch.testing.assert_close((u * operator(u)).sum(), wanted)
    v = uniform(1, 2, 5, 4, seed=2)
    torch.testing.assert_close((v * operator(u)).sum(), (u * operator(v)).sum())  # Symmetric.


def test_areas_that_the_guide_tells_apart_keep_their_own_values():
    values = torch.full((1, 2, 40, 40), 0.6, dtype=torch.float64)
    values[..., 20:] = -0.3
    guide = values[:, :1]
    known = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    known[..., 3, 4] = known[..., 30, 12] = known[..., 11, 35] = known[..., 29, 23] = True
    filled = guided_fill(values * known, known, guide)
    assert (filled - values).abs().max() < 0.05


@pytest.mark.parametrize("share", [0.003, 0.05])
def test_what_is_known_stays_and_far_from_it_nothing_leaves_its_range(share):
    values, known = uniform(2, 2, 80, 72) * 2 - 1, uniform(2, 1, 80, 72, seed=1) < share
    filled = guided_fill(values * known, known, uniform(2, 1, 80, 72, seed=2))
    at = known.expand_as(values)
    torch.testing.assert_close(filled[at], values[at], atol=1e-12, rtol=0)
    far = F.max_pool2d(known.double(), 33, stride=1, padding=16) == 0
    low = values.where(known, torch.inf).amin(dim=(2, 3), keepdim=True)
    high = values.where(known, -torch.inf).amax(dim=(2, 3), keepdim=True)
    assert bool(((filled >= low - 1e-3) & (filled <= high + 1e-3) | ~far).all())
    assert bool(far.any()) == (share < 0.01)
    # The fill is linear in what is known, so a sum that is zero in every sample, as a colour's luma is, stays zero.
    opposite = torch.cat([values[:, :1], -values[:, :1]], dim=1)
    assert guided_fill(opposite * known, known, uniform(2, 1, 80, 72, seed=2)).sum(dim=1).abs().max() < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_on_smooth_values_the_mean_of_both_is_closer_than_either(seed):
    down, right = torch.meshgrid(*(torch.linspace(0, 3, 64, dtype=torch.float64),) * 2, indexing="ij")
    values = (torch.sin(down + seed) * torch.cos(right))[None, None]
    known = uniform(1, 1, 64, 64, seed=seed) < 0.02
    guide = torch.zeros_like(values)

    def error(filled):
        return float((filled - values).square().mean())

    weight = known.to(values.dtype)
    membrane = error(_coarse_to_fine(values * weight, weight, guide, Energy(contrast=0.05), 60))
    assert error(guided_fill(values * weight, known, guide)) < 0.6 * membrane


@pytest.mark.parametrize("hole", ["scattered", "square", "line"])
def test_a_plate_continues_what_is_smooth_better_than_a_pyramid_of_means(hole):
    down, right = torch.meshgrid(*(torch.linspace(0, 3, 64, dtype=torch.float64),) * 2, indexing="ij")
    values = torch.stack([torch.sin(down) * torch.cos(right), down - right])[None]
    weight = torch.ones(1, 2, 64, 64, dtype=torch.float64)
    if hole == "scattered":
        weight = (uniform(1, 2, 64, 64) >= 0.8).double()  # Each channel has holes of its own.
    elif hole == "square":
        weight[..., 20:36, 30:46] = 0
    else:
        weight[..., 30:33, :] = 0
    filled, means = plate_fill(values * weight, weight), pull_push(values * weight, weight)
    assert torch.equal(filled[weight == 1], values[weight == 1])
    assert (filled - values).square().mean() < 0.2 * (means - values).square().mean()


@pytest.mark.parametrize("share", [0.05, 0.8, 1.0])
def test_the_plate_has_the_least_energy(share):
    # Against dense algebra on the operator that test_the_operator_is_the_gradient_of_the_energy_written_out holds.
    u, free = uniform(9, 7), uniform(9, 7, seed=3) < share
    free[0, 0] = True  # A corner, too.
    free[4, 4] = False
    operator, _ = Energy(contrast=1.0, membrane=TENSION / 1.001, plate=1.0).operator(
        torch.zeros(1, 1, 9, 7, dtype=torch.float64)
    )
    matrix = torch.stack([operator(e.view(1, 1, 9, 7)).flatten() for e in torch.eye(63, dtype=torch.float64)])
    at, known = free.flatten(), u.flatten() * ~free.flatten()
    wanted = u.flatten().clone()
    wanted[at] = torch.linalg.solve(matrix[at][:, at], -(matrix @ known)[at])
    torch.testing.assert_close(_relaxed(u, free, 300), wanted.view(9, 7), atol=1e-8, rtol=0)


def test_the_fill_of_a_window_is_that_of_the_whole():
    down, right = torch.meshgrid(*(torch.linspace(0, 9, 200, dtype=torch.float64),) * 2, indexing="ij")
    values, weight = (torch.sin(down) * torch.cos(right))[None, None], torch.ones(1, 1, 200, 200, dtype=torch.float64)
    weight[..., 100:140, 70:130] = weight[..., 90:93, :] = 0
    whole = plate_fill(values * weight, weight)
    window = (..., slice(64, 192), slice(32, 160))
    # At the window's own border the line goes on outside; a few pixels further inside that is forgotten.
    apart = (plate_fill((values * weight)[window], weight[window]) - whole[window])[..., 16:-16].abs().max()
    assert apart < 0.004  # Half a grey level.


def test_a_constant_goes_on_as_it_is():
    weight = (uniform(2, 3, 20, 33) < 0.1).double()
    torch.testing.assert_close(plate_fill(0.7 * weight, weight), torch.full_like(weight, 0.7), atol=1e-6, rtol=0)


def test_nothing_known_is_filled_with_zeros():
    none = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    assert torch.equal(plate_fill(torch.ones(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)), torch.zeros(1, 2, 8, 8))
    assert torch.equal(guided_fill(torch.ones(1, 2, 8, 8), none, torch.ones(1, 1, 8, 8)), torch.zeros(1, 2, 8, 8))
