"""Compiled networks: the same answers, and the network as it is where compiling fails."""

import copy
import logging

import numpy as np
import pytest
import torch
from photographs import PLACE, Shrinking, crop, noisy, photo
from torch import nn

from restore import Restorer
from restore.errors import UsageError
from restore.priors import EDM, GrayView, PeriodicalSelfEnsemble
from restore.priors.views.compiled import Compiled, mode_for, runs_compiled, with_compiled_networks

PICTURE = crop("chelsea", 0, 0, 64)


class Bent(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x, level):
        return self.convolution(x).tanh() * level[:, None, None, None]


def prior():
    torch.manual_seed(0)
    return EDM(Bent().requires_grad_(False), multiple_of=1, context=8)


@pytest.fixture
def compiler(monkeypatch):
    """Stands in for the compiler: what it was asked, and code that does the same a little otherwise."""
    asked = []

    def compile(network, mode):
        asked.append(mode)
        return lambda x, level: network(x, level) * (1 + 1e-6)

    monkeypatch.setattr("torch.compile", compile)
    return asked


def test_it_is_compiled_once_at_the_first_answer(compiler):
    network, x, level = Bent(), torch.randn(2, 3, 8, 8), torch.ones(2)
    view = Compiled(network)
    assert (compiler, view.works) == ([], None)
    with torch.no_grad():
        torch.testing.assert_close(view(x, level), network(x, level), atol=1e-5, rtol=0)
        view(x, level)
    assert (compiler, view.works) == (["default"], True)
    assert mode_for(torch.device("cuda", 1)) == "reduce-overhead"


def test_gradients_go_through_the_network_as_it_is(compiler):
    view = Compiled(Bent())
    view(torch.randn(1, 3, 8, 8).requires_grad_(), torch.ones(1)).sum().backward()
    assert (compiler, view.works) == ([], None)


@pytest.mark.parametrize("at", ["once", "first call"])
def test_a_failure_is_one_warning_and_the_network_goes_on(monkeypatch, caplog, at):
    def broken(*words):
        raise RuntimeError("no C++ compiler\nand much more")

    monkeypatch.setattr("torch.compile", (lambda network, mode: broken()) if at == "once" else lambda network, mode: broken)
    network, x, level = Bent(), torch.randn(1, 3, 8, 8), torch.ones(1)
    view = Compiled(network)
    with torch.no_grad(), caplog.at_level(logging.WARNING, "restore"):
        assert all(torch.equal(view(x, level), network(x, level)) for _ in range(3))
    assert view.works is False
    said = "the network could not be compiled and runs as it is (RuntimeError: no C++ compiler)"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_a_lack_of_memory_is_no_failure_of_the_compiler(monkeypatch):
    def greedy(x, level):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("torch.compile", lambda network, mode: greedy)
    view = Compiled(Bent())
    with torch.no_grad(), pytest.raises(torch.OutOfMemoryError):
        view(torch.randn(1, 3, 8, 8), torch.ones(1))
    assert view.works is None


@pytest.mark.parametrize("wrap", [lambda one: one, GrayView, PeriodicalSelfEnsemble])
def test_a_view_of_a_prior_is_compiled_inside_and_the_prior_stays(compiler, wrap):
    inner = prior()
    given = wrap(inner)
    before = copy.deepcopy(given.state_dict())
    twin = with_compiled_networks(given)
    (network,) = (part for part in twin.modules() if isinstance(part, Compiled))
    assert not runs_compiled(twin)
    assert type(inner.network) is Bent
    x = torch.randn(1, given.channels, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(twin(x, 0.5), given(x, 0.5), atol=1e-5, rtol=0)
    assert network.works
    assert runs_compiled(twin)
    assert not runs_compiled(given)
    assert given.state_dict().keys() == before.keys()
    assert network.network.convolution.weight is inner.network.convolution.weight


def restored(compile, **words):
    restorer = Restorer(prior(), placement=PLACE, compile=compile)
    return restorer("denoise", PICTURE, sigma=20, **words)


def test_the_record_says_whether_answers_were_compiled(compiler, monkeypatch):
    found = {choice: restored(choice) for choice in (True, False)}
    assert {choice: result.record["request"]["compile"] for choice, result in found.items()} == {True: True, False: False}
    assert len(compiler) == 1
    assert found[True].record["prior_hash"] == found[False].record["prior_hash"]
    torch.testing.assert_close(found[True].samples, found[False].samples, atol=1e-5, rtol=0)
    monkeypatch.setattr("torch.compile", lambda network, mode: pytest.fail("compiled") if mode is None else 1 / 0)
    assert restored(True).record["request"]["compile"] is False
    plain = Restorer(Shrinking(), placement=PLACE, compile=True)("denoise", PICTURE, sigma=20)
    assert plain.record["request"]["compile"] is False


def test_details_say_where_a_run_works(caplog):
    with caplog.at_level(logging.DEBUG, "restore"):
        restored(False)
    assert f"cpu, {torch.get_num_threads()} threads, float32 (as asked for)" in [one.getMessage() for one in caplog.records]


def test_an_unknown_value_is_a_usage_error():
    with pytest.raises(UsageError, match=r"compile: 'maybe' \(str\) is not true or false"):
        Restorer(Shrinking(), placement=PLACE, compile="maybe")


@pytest.mark.slow
def test_the_bundled_prior_compiled_answers_the_same():
    picture = noisy(crop("chelsea", 0, 0, 128), 25)
    view = Restorer(photo().prior, placement=photo().placement, compile=True)
    found, plain = view("denoise", picture, sigma=25), photo()("denoise", picture, sigma=25)
    assert found.record["request"]["compile"]
    assert np.abs(found.image.astype(int) - plain.image).max() <= 1
    again = view("denoise", noisy(crop("coffee", 0, 0, 150), 25), sigma=25)  # Another size.
    assert again.record["request"]["compile"]
