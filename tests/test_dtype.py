"""Arithmetic chosen by trying it."""

import pytest
import torch

from restore.device import dtype
from restore.device.placement import Placement

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def anew():
    dtype.fastest.cache_clear()
    yield
    dtype.fastest.cache_clear()


@pytest.mark.parametrize(("short", "full", "dtype"), [(1e-3, 2e-3, torch.bfloat16), (2e-3, 1e-3, torch.float32)])
def test_bfloat16_is_taken_where_it_is_faster(monkeypatch, short, full, dtype):
    monkeypatch.setattr(dtype, "multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr(dtype, "timed", lambda device: (short, full))
    found = Placement.current("cpu")
    assert found.dtype is dtype
    assert found.spelt().startswith(f"cpu, {torch.get_num_threads()} threads, {str(dtype)[6:]} (a convolution took ")


def test_hardware_without_it_is_not_timed(monkeypatch):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(dtype, "timed", lambda device: pytest.fail("timed"))
    assert dtype.fastest(CPU) == (torch.float32, "no bfloat16 in hardware")
    assert not dtype.multiplies_bfloat16(torch.device("mps"))


@pytest.mark.parametrize("flag", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_hardware_says_it_in_two_ways(monkeypatch, flag):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(f"torch.cpu.{name}", lambda name=name: name == flag, raising=False)
    assert dtype.multiplies_bfloat16(CPU)


def test_it_is_found_out_once_a_process(monkeypatch):
    asked = []
    monkeypatch.setattr(dtype, "multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr(dtype, "timed", lambda device: asked.append(device) or (1.0, 2.0))
    assert {Placement.current("cpu").dtype for _ in range(3)} == {torch.bfloat16}
    assert asked == [CPU]


def test_one_slow_round_does_not_decide(monkeypatch):
    # Of either kind all rounds but one were disturbed.
    rounds = iter([1.0, 1.0] + [0.9, 0.5] * (dtype.ROUNDS // 2) + [0.1, 0.5] + [0.9, 0.2] * dtype.ROUNDS)
    monkeypatch.setattr(dtype, "_seconds", lambda x, weight: next(rounds))
    assert dtype.timed(CPU) == (0.1, 0.2)


def test_what_is_timed_is_a_convolution_laid_out_as_networks_have_it(monkeypatch):
    seen = []
    monkeypatch.setattr(dtype, "_seconds", lambda x, weight: seen.append((x, weight)) or 1.0)
    dtype.timed(CPU)
    assert {x.dtype for x, _ in seen} == {weight.dtype for _, weight in seen} == {torch.bfloat16, torch.float32}
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for pair in seen for tensor in pair)


def test_what_is_asked_for_is_not_questioned(monkeypatch):
    monkeypatch.setattr(dtype, "timed", lambda device: pytest.fail("timed"))
    assert Placement.current("cpu", "bfloat16").spelt().endswith("bfloat16 (as asked for)")
