"""Training on intermediate states of plug-and-play."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from restore.guidance.pnp import ENLARGING, FILLING
from restore.objectives import EDMObjective, TrajectoryPool
from restore.objectives.pnp_states import LAST, POOL_SIZE, STEPS
from restore.operators import Downsample, Mask
from restore.sampling import schedules

SCHEDULES = [
    schedules.geometric(method.sigma_start, LAST, steps)[:-1].tolist() for method in (FILLING, ENLARGING) for steps in STEPS
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def waves(count=3, side=48, channels=3, seed=1):
    """Smooth pictures with an edge, which no fill gets right."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:side, 0:side] / side
    shown = [np.sin(12 * rng.normal() * rows + 12 * rng.normal() * columns) for _ in range(count * channels)]
    edges = [(rows > rng.uniform(0.3, 0.7)) * 0.5 for _ in shown]
    return torch.from_numpy(np.stack(shown) + np.stack(edges)).float().view(count, channels, side, side).clamp(-1, 1)


def begun(count, seed=0, clean=None):
    """New trajectories."""
    pool = TrajectoryPool(1.0)
    return [one for _ in range(count) for one in pool.sample(waves(1) if clean is None else clean, seeded(seed + _))]


def objective(share, **words):
    return EDMObjective(mean=-1.0, std=0.5, trajectories=TrajectoryPool(share), **words)


def test_trajectories_start_where_the_guidance_starts():
    lost, scales, lengths = [], [], []
    for one in begun(80):
        y = one.operator(one.clean)
        guess = one.operator.prox(one.operator.initial_estimate(y), y, 0.0)
        torch.testing.assert_close(one.x, guess, atol=1e-5, rtol=0)
        assert one.sigmas.tolist() in [pytest.approx(path) for path in SCHEDULES]
        lengths.append(len(one.sigmas))
        if isinstance(one.operator, Mask):
            lost.append(1 - one.operator.keep.float().mean().item())
            assert one.missing == pytest.approx(lost[-1])
        else:
            scales.append(round((1 / (1 - one.missing)) ** 0.5))
    assert set(lengths) == set(STEPS)
    assert 24 < len(scales) < 48
    assert set(scales) == {2, 3, 4}
    # From a stroke or two to nearly all pixels.
    assert 0 < min(lost) < 0.3
    assert max(lost) > 0.85


def test_steps_are_those_of_plug_and_play():
    for one in begun(12):
        answer = torch.randn(one.clean.shape, generator=seeded())
        there = one.advance(answer.requires_grad_())
        assert not there.x.requires_grad
        torch.testing.assert_close(there.sigmas, one.sigmas[1:])
        # What was measured is met, and the rest is the answer's.
        torch.testing.assert_close(one.operator(there.x), one.operator(one.clean), atol=1e-5, rtol=0)
        again = one.operator.prox(answer.detach(), one.operator(one.clean), 0.0)
        torch.testing.assert_close(there.x, again)


def test_only_what_was_not_measured_counts():
    for one in begun(24):
        noise = torch.randn(one.clean.shape, generator=seeded())
        if isinstance(one.operator, Mask):
            measured = noise * one.operator.keep
        else:
            assert isinstance(one.operator, Downsample)
            measured = one.operator.pinv(one.operator(noise))
        assert one.error(one.clean + measured).item() == pytest.approx(0, abs=1e-9)
        # And counts alike, however much of the picture that is.
        values = one.missing * one.clean.numel()
        assert one.error(one.clean + noise).item() == pytest.approx(1, abs=6 * (2 / values) ** 0.5)


@pytest.mark.parametrize(("size", "counts"), [(8, {3}), (4, {1, 2}), (1, {0, 1})])
def test_the_share_of_the_crops_is_kept_on_average(size, counts):
    pool, clean = TrajectoryPool(0.375), waves(size, side=12)
    found = [len(pool.sample(clean, seeded(seed))) for seed in range(80)]
    assert set(found) == counts
    assert np.mean(found) == pytest.approx(0.375 * size, abs=4 * 0.5 / 80**0.5)


def test_every_trajectory_is_finished():
    pool, clean, met = TrajectoryPool(0.5), waves(2, side=12), {}
    for seed in range(1200):
        taken = pool.sample(clean, seeded(seed))
        for one in taken:
            met.setdefault(one.operator, []).append(one.sigmas[0].item())
        pool.put_back(one.advance(one.clean) for one in taken)
    assert all(any(levels == pytest.approx(path[: len(levels)]) for path in SCHEDULES) for levels in met.values())
    whole = [levels for levels in met.values() if any(levels == pytest.approx(path) for path in SCHEDULES)]
    assert len(whole) > 20
    assert {len(levels) for levels in whole} == set(STEPS)


def test_a_function_of_the_generator():
    def losses(first):
        one, clean = objective(0.5), waves(4)
        return [one.loss(lambda x, sigma: 0.9 * x, clean, seeded(first + step)).item() for step in range(8)]

    assert losses(3) == losses(3)
    assert losses(3) != losses(4)


def test_the_truth_costs_nothing_and_its_crops_are_those_of_the_batch():
    """A model that knows which picture it is asked about."""
    clean, seen_levels = waves(8), []
    pictures = clean.clone()

    def knows(x, sigma):
        seen_levels.append(sigma)
        nearest = (x[:, None] - pictures[None]).square().sum(dim=(2, 3, 4)).argmin(dim=1)
        return pictures[nearest]

    one = EDMObjective(mean=-4.0, std=0.1, spread=1e-6, trajectories=TrajectoryPool(0.375))
    costs = [one.loss(knows, clean, seeded(seed)).item() for seed in range(20)]
    assert np.median(costs) == pytest.approx(0, abs=1e-9)
    assert all(len(levels) == 8 for levels in seen_levels)


def test_the_gradient_is_of_answers_alone():
    gain = torch.ones((), requires_grad=True)
    one, clean = objective(0.5, relative=0.02), waves(4)
    for seed in range(3):
        one.loss(lambda x, sigma: gain * x, clean, seeded(seed)).backward()
    assert gain.grad is not None
    assert bool(gain.grad.isfinite())
    assert one.trajectories is not None
    assert all(not taken.x.requires_grad for taken in one.trajectories.sample(clean, seeded()))


def test_all_or_none_of_a_batch_may_be_trajectories():
    clean = waves(4)
    for share in (1.0, 0.0):
        assert np.isfinite(objective(share).loss(lambda x, sigma: 0.9 * x, clean, seeded()).item())
    pool = TrajectoryPool(1.0)
    assert len(pool.sample(clean, seeded())) == 4
    assert len(pool._pool) == 4 * (POOL_SIZE - 1)
