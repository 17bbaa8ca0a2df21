"""Compiled networks: the same answers, and the network as it is where compiling fails or does not pay."""

import copy
import logging

import numpy as np
import pytest
import torch
from photographs import PLACE, Shrinking, crop, noisy, photo
from torch import nn

from restore import Restorer
from restore.errors import UsageError
from restore.planning import compile
from restore.planning.compile import CLEARLY, SAVES, TAKES
from restore.planning.estimate import Forecast
from restore.priors import EDM, GrayView, PeriodicalSelfEnsemble
from restore.priors.views.compiled import Compiled, compiled, mode_for

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
    twin, networks = compiled(given)
    assert len(networks) == 1
    assert type(inner.network) is Bent
    x = torch.randn(1, given.channels, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(twin(x, 0.5), given(x, 0.5), atol=1e-5, rtol=0)
    assert networks[0].works
    assert given.state_dict().keys() == before.keys()
    assert networks[0].network.convolution.weight is inner.network.convolution.weight


def restored(compile, **words):
    restorer = Restorer(prior(), placement=PLACE, compile=compile)
    return restorer("denoise", PICTURE, sigma=20, **words)


def test_the_record_says_whether_answers_were_compiled(compiler, monkeypatch):
    found = {word: restored(word) for word in ("on", "off", "auto")}
    assert {word: result.record["compiled"] for word, result in found.items()} == {"on": True, "off": False, "auto": False}
    assert len(compiler) == 1
    assert found["on"].record["prior_hash"] == found["off"].record["prior_hash"]
    torch.testing.assert_close(found["on"].samples, found["off"].samples, atol=1e-5, rtol=0)
    monkeypatch.setattr("torch.compile", lambda network, mode: pytest.fail("compiled") if mode is None else 1 / 0)
    assert restored("on").record["compiled"] is False
    assert Restorer(Shrinking(), placement=PLACE, compile="on")("denoise", PICTURE, sigma=20).record["compiled"] is False


@pytest.mark.parametrize(("share", "compiles"), [(0.99, False), (1.01, True)])
def test_auto_compiles_where_what_is_foreseen_repays_it(compiler, monkeypatch, share, compiles):
    seconds = share * CLEARLY * TAKES["cpu"] / SAVES["cpu"]
    forecast = Forecast(1, 1, (), 1, 1, 1, 1, 1, seconds)
    monkeypatch.setattr(compile, "forecast", lambda runs, taken: forecast)
    monkeypatch.setattr(compile, "LITTLE", 0)
    assert restored("auto").record["compiled"] == compiles


def test_auto_asks_nothing_of_the_network_for_a_small_run(monkeypatch):
    monkeypatch.setattr(compile, "forecast", lambda runs, taken: pytest.fail("asked"))
    restored("auto")


def test_details_say_where_and_how_a_run_works(compiler, caplog):
    with caplog.at_level(logging.DEBUG, "restore"):
        restored("auto")
        restored("on")
        restored("off")
    threads = torch.get_num_threads()
    said = [record.getMessage() for record in caplog.records]
    assert said.count(f"cpu, {threads} threads, float32 (as asked for)") == 3
    assert [line for line in said if "compiled" in line] == [
        "not compiled: a short run",
        "compiled",
        "not compiled: as asked for",
    ]


def test_an_unknown_word_is_a_usage_error():
    with pytest.raises(UsageError, match="compile is auto, on or off, got 'maybe'"):
        Restorer(Shrinking(), placement=PLACE, compile="maybe")
    with pytest.raises(UsageError, match="compile is"):
        Restorer.from_pretrained("photo", device="cpu", compile="yes")


@pytest.mark.slow
def test_the_bundled_prior_compiled_answers_the_same():
    picture = noisy(crop("chelsea", 0, 0, 128), 25)
    view = Restorer(photo().prior, placement=photo().placement, compile="on")
    found, plain = view("denoise", picture, sigma=25), photo()("denoise", picture, sigma=25)
    assert found.record["compiled"]
    assert np.abs(found.image.astype(int) - plain.image).max() <= 1
    again = view("denoise", noisy(crop("coffee", 0, 0, 150), 25), sigma=25)  # Another size.
    assert again.record["compiled"]
