"""Muon and AdamW by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from restore.networks.residual_unet import ResidualUNet
from restore.training import optimizers
from restore.training.optimizers import NAMES, Muon, make, orthogonalize


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(24, 216), (216, 24), (32, 32)])
def test_what_is_orthogonal_keeps_its_singular_vectors(shape):
    u, _, vt = torch.linalg.svd(drawn(*shape), full_matrices=False)
    values = torch.logspace(-1, 1, len(vt))  # A hundredfold spread.
    answer = orthogonalize(u @ torch.diag(values) @ vt)
    seen = u.T @ answer @ vt.T
    assert seen.diag().min() > 0.6
    assert seen.diag().max() < 1.3
    assert (seen - torch.diag(seen.diag())).abs().max() < 0.05


def test_scale_is_not_heard():
    matrix = drawn(16, 40)
    torch.testing.assert_close(orthogonalize(matrix / 1024), orthogonalize(matrix), atol=0.01, rtol=0)
    assert torch.equal(orthogonalize(0 * matrix), 0 * matrix)


def test_bfloat16_is_for_hardware_that_has_it(monkeypatch):
    matrix, answers = drawn(16, 40), {}
    for has in (False, True):
        monkeypatch.setattr(optimizers, "multiplies_bfloat16", lambda device, has=has: has)
        answers[has] = orthogonalize(matrix)
    assert torch.equal(answers[True], answers[True].bfloat16().float())
    assert not torch.equal(answers[False], answers[False].bfloat16().float())
    assert (answers[True] - answers[False]).norm() < 0.05 * answers[False].norm()


def test_plain_groups_are_adamw():
    mine, theirs = (nn.Parameter(drawn(5, 3)) for _ in range(2))
    one = Muon([{"params": [mine], "plain": True}], lr=0.01)
    other = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(20):
        mine.grad = theirs.grad = drawn(5, 3, seed=step + 1)
        one.step()
        other.step()
    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)


def test_a_step_is_as_long_as_adamws():
    kernel = nn.Parameter(drawn(32, 48, 3, 3))
    before = kernel.detach().clone()
    kernel.grad = drawn(32, 48, 3, 3, seed=1)
    Muon([{"params": [kernel]}], lr=0.01).step()
    length = (kernel - before).square().mean().sqrt().item()
    assert length == pytest.approx(0.2 * 0.01, rel=0.25)
    assert ((kernel - before) * kernel.grad).sum() < 0


@pytest.mark.parametrize("name", NAMES)
def test_least_squares_are_found(name):
    causes, turn = drawn(256, 32), torch.linalg.qr(drawn(32, 32, seed=1))[0]
    inputs, target = causes * torch.logspace(0, -1, 32) @ turn, causes @ drawn(32, 32, seed=2)
    layer = nn.Conv2d(32, 32, 1, bias=False)
    nn.init.zeros_(layer.weight)
    steps, losses = make(name, layer, 0.3), []
    for step in range(300):
        for group in steps.param_groups:
            group["lr"] = 0.3 * (1 - step / 300)
        loss = F.mse_loss(layer(inputs[:, :, None, None])[..., 0, 0], target)
        losses.append(loss.item())
        steps.zero_grad()
        loss.backward()
        steps.step()
    assert losses[-1] < 0.01 * losses[0]


def test_every_parameter_is_in_one_group():
    network = ResidualUNet(3, (32, 48), blocks=1)
    held = [parameter for group in make("muon", network, 1e-3).param_groups for parameter in group["params"]]
    assert len(held) == len({id(one) for one in held}) == len(list(network.parameters()))
    plain = {id(one) for group in make("muon", network, 1e-3).param_groups if group["plain"] for one in group["params"]}
    assert id(network.head.weight) in plain
    assert id(network.tail.weight) in plain
    assert id(network.down_blocks[0][0].first.weight) not in plain
