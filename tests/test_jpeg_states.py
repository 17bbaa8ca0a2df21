"""Training on intermediate states of taking JPEG artefacts out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from test_pnp_states import seeded, waves

from restore.objectives import EDMObjective, TrajectoryPool
from restore.objectives.jpeg_states import STEPS, CompressedTrajectory, compressed
from restore.operators import Identity
from restore.operators.turning import turned
from restore.problem import Problem


def begun(count=12, clean=None):
    dice = np.random.default_rng(0)
    return [compressed(waves(1, 48, seed=index) if clean is None else clean, dice) for index in range(count)]


def back(one, x):
    """What a denoiser saw or answered, as the file has it."""
    rows, columns = one.shift
    plain = [turned(torch.arange(48.0 * 48).view(1, 1, 48, 48), one.orientation).long().flatten()]
    picture = torch.empty_like(x.flatten(2))
    picture[..., plain[0]] = x.flatten(2)
    return picture.view_as(x).roll((-rows, -columns), (-2, -1))


def test_steps_are_those_of_the_task():
    """One step of `PnP` from the same answer, of the problem as plugins/jpeg.py states it."""
    for one in begun():
        method = one.settings.method()
        problem = Problem(one.state, Identity(), 0.0, tuple(one.clean.shape), constraint=one.cells)
        schedule = method.schedule(_Free(), problem, len(one.sigmas))
        torch.testing.assert_close(schedule[:-1].float(), one.sigmas, atol=0, rtol=1e-6)
        answer = torch.randn(one.clean.shape, generator=seeded())
        there = one.advance(answer.requires_grad_())
        assert not there.x.requires_grad
        if len(one.sigmas) > 1:
            met = problem.prox(back(one, answer.detach()), method.weight / one.sigmas[1] ** 2)
            torch.testing.assert_close(there.state, met, atol=1e-5, rtol=0)
            torch.testing.assert_close(back(there, there.x), there.state, atol=0, rtol=0)


class _Free:
    levels = None


def test_states_lie_in_the_cells_of_the_truth():
    for one in begun():
        full = one.cells.with_width(1.0)
        rounded = ((one.clean + 1) * 127.5).round() / 127.5 - 1
        torch.testing.assert_close(full.project(rounded), rounded, atol=2.5 / 127.5, rtol=0)  # Of integer samples.
        torch.testing.assert_close(full.project(one.state), one.state, atol=1e-5, rtol=0)


def test_the_truth_costs_nothing_and_noise_its_variance():
    for one in begun():
        shown = turned(one.clean.roll(one.shift, (-2, -1)), one.orientation)
        assert one.error(shown).item() == 0
        noise = torch.randn(shown.shape, generator=seeded())
        assert one.error(shown + noise).item() == pytest.approx(noise.square().mean().item(), rel=1e-4)


def test_gray_pictures_are_saved_as_gray():
    clean = waves(1, 48, 1).expand(1, 3, 48, 48)
    for one in begun(4, clean):
        assert len(one.cells.planes) == 1
        assert bool((one.state == one.state[:, :1]).all())


def test_shares_and_lengths():
    found = begun(150, waves(1, 16))
    assert Counter(len(one.sigmas) for one in found).keys() == STEPS.keys()
    assert {one.orientation for one in found} == set(range(1, 9))
    pool = TrajectoryPool(1.0, compressed=0.5)
    kinds = [isinstance(one, CompressedTrajectory) for seed in range(30) for one in pool.sample(waves(4, 16), seeded(seed))]
    assert np.mean(kinds) == pytest.approx(0.5, abs=0.25)
    assert not any(isinstance(one, CompressedTrajectory) for one in TrajectoryPool(1.0).sample(waves(4, 16), seeded()))


def test_a_loss_has_a_gradient():
    gain = torch.ones((), requires_grad=True)
    one = EDMObjective(mean=-1.0, std=0.5, relative=0.02, trajectories=TrajectoryPool(0.5, compressed=1.0))
    for seed in range(3):
        one.loss(lambda x, sigma: gain * x, waves(4, 32), seeded(seed)).backward()
    assert gain.grad is not None
    assert bool(gain.grad.isfinite())
