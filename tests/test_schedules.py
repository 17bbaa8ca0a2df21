from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.errors import UsageError
from restore.sampling import schedules

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)
LEVELS = ((1 - ABAR) / ABAR).sqrt().flip(0)  # Falling, as Prior.levels are.


def descents(schedule):
    return sum(bool(after < before) for before, after in pairwise(schedule))


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 250])
@pytest.mark.parametrize(
    "make",
    [
        lambda steps: schedules.karras(80.0, 0.002, steps),
        lambda steps: schedules.geometric(80.0, 0.002, steps),
        lambda steps: schedules.ddpm(LEVELS, steps),
    ],
    ids=["karras", "geometric", "ddpm"],
)
def test_paths_fall_strictly_from_the_highest_level_to_zero(make, steps):
    schedule = make(steps)
    assert schedule.dtype == torch.float32
    assert len(schedule) == steps + 1
    assert schedule[-1] == 0
    assert bool((schedule[1:] < schedule[:-1]).all())
    torch.testing.assert_close(schedule[0].item(), 80.0 if schedule[0] < 100 else float(LEVELS[0]), rtol=1e-6, atol=0)


def test_karras_is_equation_5():
    schedule = schedules.karras(80.0, 0.002, 18)
    wanted = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    torch.testing.assert_close(schedule[:-1], torch.tensor(wanted), rtol=1e-6, atol=0)


def test_geometric_has_equal_ratios_and_both_ends():
    schedule = schedules.geometric(50.0, 0.01, 12)[:-1].double()
    ratios = schedule[1:] / schedule[:-1]
    torch.testing.assert_close(ratios, torch.full_like(ratios, (0.01 / 50) ** (1 / 11)), rtol=1e-6, atol=0)
    torch.testing.assert_close(schedule[[0, -1]], torch.tensor([50.0, 0.01], dtype=torch.float64), rtol=1e-6, atol=0)


@given(st.floats(0.002, 80), st.integers(1, 40))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_geometric_between_equal_ends_never_climbs(sigma, steps):
    schedule = schedules.geometric(sigma, sigma, steps)
    assert bool((schedule[1:] <= schedule[:-1]).all())


def test_ddpm_takes_trained_levels_evenly_in_time():
    assert torch.equal(schedules.ddpm(LEVELS, 1000)[:-1], LEVELS.float())
    assert torch.equal(schedules.ddpm(LEVELS, 10)[:-1], LEVELS[::111].float())
    assert torch.equal(schedules.ddpm(LEVELS, 1)[:-1], LEVELS[:1].float())
    assert len(schedules.ddpm(LEVELS, 5000)) == 1001


def test_quadratic_spends_its_steps_where_sigma_is_small():
    schedule = schedules.quadratic(LEVELS, 10)
    time = 999 - torch.tensor([int((LEVELS.float() == sigma).nonzero()) for sigma in schedule[:-1]])
    wanted = (torch.linspace(1, 0, 10, dtype=torch.float64) ** 2 * 999).round().long()
    assert torch.equal(time, wanted)
    assert schedule[-1] == 0


def test_quadratic_levels_fall_strictly():
    schedule = schedules.quadratic(LEVELS, 100)
    assert bool((schedule[1:] < schedule[:-1]).all())
    assert schedule[0] == LEVELS[0].float()


def test_snap_moves_to_the_nearest_level_once():
    levels = torch.tensor([8.0, 4.0, 2.0, 1.0])
    schedule = torch.tensor([9.0, 6.0, 5.5, 2.1, 1.9, 1.5, 1.4, 0.1, 0.0])
    # 6 and 5.5 lie between 8 and 4, whose middle in log sigma is 5.66.
    assert schedules.snap(schedule, levels).tolist() == [8, 4, 2, 1, 0]
    assert schedules.snap(torch.tensor([5.6, 0.0]), levels).tolist() == [4, 0]
    assert schedules.snap(torch.tensor([5.7, 0.0]), levels).tolist() == [8, 0]


@given(st.integers(1, 60))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_snapped_paths_fall_strictly_through_trained_levels(steps):
    schedule = schedules.snap(schedules.karras(80.0, 0.002, steps), LEVELS)
    assert bool((schedule[1:] < schedule[:-1]).all())
    assert schedule[-1] == 0
    assert bool(torch.isin(schedule[:-1], LEVELS.float()).all())


@pytest.mark.parametrize(
    ("steps", "jump", "repeat", "evaluations"), [(100, 10, 5, 460), (250, 10, 10, 2410), (50, 10, 1, 50), (7, 10, 5, 7)]
)
def test_travel_costs_what_repaint_counts(steps, jump, repeat, evaluations):
    assert descents(schedules.travel(schedules.ddpm(LEVELS, steps), jump, repeat)) == evaluations


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_travel_walks_the_path_and_climbs_one_jump_at_a_time(steps, jump, repeat):
    schedule = schedules.karras(80.0, 0.002, steps)
    walked = schedules.travel(schedule, jump, repeat)
    place = {float(sigma): index for index, sigma in enumerate(schedule)}
    order = [place[float(sigma)] for sigma in walked]
    assert order[0] == 0
    assert order[-1] == steps
    moves = [after - before for before, after in pairwise(order)]
    assert set(moves) <= {1, -jump}
    # Every step is walked `repeat` times but for those before the first return.
    times = [sum(before == index and after == index + 1 for before, after in pairwise(order)) for index in range(steps)]
    stretches = max(0, -(-(steps - jump) // jump))
    first = steps - stretches * jump
    assert times == [1] * first + [repeat] * (steps - first)
    assert moves.count(-jump) == stretches * (repeat - 1)


def test_snap_keeps_the_zeros_of_travel():
    schedule = schedules.travel(schedules.ddpm(LEVELS, 20), jump=5, repeat=3)
    assert (schedule == 0).sum() == 3
    assert torch.equal(schedules.snap(schedule, LEVELS), schedule)


def test_no_steps_and_no_jumps_are_refused():
    for wrong in (
        lambda: schedules.karras(80, 0.002, 0),
        lambda: schedules.geometric(80, 0.002, -1),
        lambda: schedules.ddpm(LEVELS, 0),
    ):
        with pytest.raises(UsageError, match="steps must be at least 1"):
            wrong()
    for jump, repeat in ((0, 3), (3, 0)):
        with pytest.raises(UsageError, match="at least 1"):
            schedules.travel(LEVELS, jump, repeat)
