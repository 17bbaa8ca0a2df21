import itertools

import pytest
import torch

from restore.sampling.noise import Noise, seed_for

LIKE = torch.empty(1, 3, 16, 16)


def test_same_seed_same_draws_and_later_draws_differ():
    one, two = Noise([5]), Noise([5])
    first = one(LIKE)
    assert torch.equal(first, two(LIKE))
    second = one(LIKE)
    assert torch.equal(second, two(LIKE))
    assert not torch.equal(first, second)


def test_global_seed_neither_read_nor_written():
    torch.manual_seed(1)
    first = Noise([5])(LIKE)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(Noise([5])(LIKE), first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_zero_is_a_seed_like_any_other():
    for seed in range(20):
        wanted = torch.randn(LIKE.shape[1:], generator=torch.Generator().manual_seed(seed))
        assert torch.equal(Noise([seed])(LIKE)[0], wanted)
    assert not torch.equal(Noise([0])(LIKE), Noise([1])(LIKE))
    assert seed_for(0) != seed_for(1)


def test_batch_equals_singles_in_any_order():
    seeds = [3, 0, 8]
    together = Noise(seeds)
    singles = [Noise([seed]) for seed in seeds]
    for _ in range(2):
        batch = together(LIKE.expand(3, -1, -1, -1))
        assert torch.equal(batch, torch.cat([single(LIKE) for single in singles]))
    turned = Noise(seeds[::-1])(LIKE.expand(3, -1, -1, -1))
    assert torch.equal(turned.flip(0), Noise(seeds)(LIKE.expand(3, -1, -1, -1)))


def test_draws_are_standard_normal_and_independent():
    z = Noise([seed_for(0, sample=index) for index in range(4)])(torch.empty(4, 1, 200, 200)).flatten(1)
    size = z.shape[1]
    assert z.mean(dim=1).abs().max() < 4 / size**0.5
    assert (z.var(dim=1) - 1).abs().max() < 4 * (2 / size) ** 0.5
    correlation = torch.corrcoef(z) - torch.eye(4)
    assert correlation.abs().max() < 4 / size**0.5


def test_float64_sees_the_numbers_of_float32():
    double = Noise([7])(LIKE.double())
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), Noise([7])(LIKE))


def test_refuses_another_batch():
    with pytest.raises(ValueError, match="noise for 2 pictures, asked for 1"):
        Noise([1, 2])(LIKE)


def test_seeds_differ_by_run_name_and_sample_and_fit_a_generator():
    drawn = [seed_for(*key) for key in itertools.product((0, 1, 11), ("", "a.png", "1", "a/b.png"), (0, 1, 11))]
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= seed < 2**63 for seed in drawn)
    Noise(drawn)


def test_seeds_are_the_same_in_every_version():
    assert seed_for(0) == 7430467977124024953
    assert seed_for(3, "cat.png", 2) == 6207608171245939074
