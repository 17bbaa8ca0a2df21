"""What a plan says of a codec and of text encoders is what a run asks of them, by counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.guidance import (
    PSLD,
    BlendedLatents,
    Conditioned,
    Guidance,
    LatentDAPS,
    LatentDDNM,
    LatentDiffPIR,
    LatentDPS,
    ReSample,
)
from restore.operators import Downsample, Mask
from restore.options.checked import run_options
from restore.planning import coding
from restore.planning.coding import Coded, seconds_to_code
from restore.planning.dry_run import dry_run
from restore.planning.estimate import estimate
from restore.planning.plan import bytes_held
from restore.priors import Prior
from restore.priors.latent.codec import Codec
from restore.priors.latent.latent import Latent
from restore.problem import Problem
from restore.solving import solver
from restore.solving.preparing import prepare

CPU = torch.device("cpu")


class Counted(Codec):
    """Cells of one colour, with a network that counts pictures."""

    def __init__(self) -> None:
        super().__init__(3, 3, 2)
        self.network = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.network.weight.copy_(torch.eye(3)[:, :, None, None])
            self.network.bias.zero_()
        self.encoded = self.decoded = 0

    def _encode(self, x: Tensor) -> Tensor:
        self.encoded += len(x)
        return F.avg_pool2d(self.network(x), 2)

    def _decode(self, z: Tensor) -> Tensor:
        self.decoded += len(z)
        return F.interpolate(self.network(z), scale_factor=2.0)

    def modules(self) -> tuple[nn.Module, ...]:
        return (self.network,)


class White(Prior):
    """Pictures of white noise of unit variance."""

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma[:, None, None, None] ** 2)


KEEP = torch.ones(1, 1, 12, 16, dtype=torch.bool)
KEEP[..., 4:8, 4:12] = False
Y = 0.5 * torch.randn(1, 3, 12, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
MASKED = Problem(Y * KEEP, Mask(KEEP), 0.0, (1, 3, 12, 16))
SMALL = Problem(F.avg_pool2d(Y, 2), Downsample.between((12, 16), (6, 8), "box"), 0.0, (1, 3, 12, 16))


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize(
    ("method", "problem"),
    [
        (BlendedLatents(), MASKED),
        (BlendedLatents(strength=0.5), MASKED),
        (LatentDDNM(), SMALL),
        (LatentDiffPIR(), SMALL),
        (LatentDPS(), MASKED),
        (PSLD(), SMALL),
        (LatentDAPS(langevin=5, power=3), SMALL),
        (Conditioned(strength=0.5), MASKED),
    ],
)
def test_a_plan_counts_what_a_run_asks_of_a_codec(method: Guidance, problem: Problem, samples: int) -> None:
    codec = Counted()
    options = run_options("call", {"guidance": method, "samples": samples, "steps": 4})
    plans, fidelity = prepare(problem, Latent(White(), codec), options, device=CPU)
    foretold = estimate(plans)
    codec.encoded = codec.decoded = 0
    solver.last(solver.run(plans, fidelity, 0))
    assert (foretold.encodings, foretold.decodings) == (codec.encoded, codec.decoded)
    assert foretold.decodings >= samples


def test_descents_are_foretold_at_their_longest() -> None:
    codec, method = Counted(), ReSample(iterations=6)
    plans, fidelity = prepare(MASKED, Latent(White(), codec), run_options("call", {"guidance": method, "steps": 5}), device=CPU)
    foretold = estimate(plans)
    codec.encoded = codec.decoded = 0
    solver.last(solver.run(plans, fidelity, 0))
    assert 0 < codec.decoded <= foretold.decodings
    assert 0 < codec.encoded <= foretold.encodings


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        (LatentDiffPIR(), Coded(encoded=8, decoded=4)),
        (LatentDPS(), Coded(decoded=4, through_decoder=4)),
        (PSLD(), Coded(encoded=4, decoded=4, through_encoder=4, through_decoder=4)),
    ],
)
def test_gradients_through_a_codec_are_counted(method: Guidance, wanted: Coded) -> None:
    prior = Latent(White(), Counted())
    entered = prior.codec.enter(MASKED)
    found = dry_run(entered, prior, method, method.sampler(), method.schedule(prior, entered, 4))
    assert found.coded == wanted


def test_seconds_of_a_codec_are_those_of_its_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call takes 1, and 3 with a gradient through it."""

    def timed(work: Any, tries: int) -> list[float]:
        work()
        return [3.0 if torch.is_grad_enabled() else 1.0]

    monkeypatch.setattr(coding, "times", timed)
    work = Coded(encoded=5, decoded=7, through_encoder=2, through_decoder=3)
    assert seconds_to_code(Counted(), (12, 16), work, CPU) == 5 + 2 * 2 + 7 + 2 * 3
    assert seconds_to_code(Counted(), (12, 16), Coded(decoded=1), CPU) == 1


def test_memory_of_a_gradient_through_both_is_that_of_both() -> None:
    """PSLD's goes through network, decoder and encoder at once; DiffPIR's three come one after the other."""
    prior = Latent(White(), Counted())
    needed = []
    for method in (LatentDiffPIR(), LatentDPS(), PSLD()):
        plans, _ = prepare(SMALL, prior, run_options("call", {"guidance": method, "steps": 4}), device=CPU)
        plan = plans[0]
        needed.append(bytes_held(plan, dry_run(plan.problem, prior, method, plan.sampler, plan.schedule))[1])
    assert needed[0] < needed[1] < needed[2]


def test_what_comes_before_a_plan_is_in_its_estimate() -> None:
    prior = Latent(White(), Counted())
    plans, _ = prepare(MASKED, prior, run_options("call", {"guidance": LatentDiffPIR(), "steps": 2}), device=CPU)
    seconds, peak = plans[0].before
    assert seconds > 0
    later = [replace(plans[0], before=(seconds + 1000.0, peak + 10**12))]
    assert estimate(later).seconds >= 1000
    assert estimate(later, held=7).peak == 7 + peak + 10**12


def test_a_text_encoder_counts_for_time_and_memory(made: Any) -> None:
    """What it holds is that of at least one of its layers for two prompts of 16 words."""
    pytest.importorskip("transformers", reason="text encoders need the extra `text`")
    import pipelines

    from restore import pretrained

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    prior = pretrained.prior(str(folder))
    asked: list[int] = []
    prior.prior.conditioner.encoders["text_encoder"].register_forward_hook(lambda *given: asked.append(1))
    keywords = {"guidance": BlendedLatents(), "steps": 2, "prompt": "a cat"}
    plans, fidelity = prepare(MASKED, prior, run_options("call", keywords), device=CPU)
    assert len(asked) == 2  # Once for the prompt and once for none.
    seconds, peak = plans[0].before
    assert seconds > 0
    assert peak > 2 * 16 * pipelines.WIDTH * 4
    solver.last(solver.run(plans, fidelity, 0))
    assert len(asked) == 2  # All of it is before the plan.
