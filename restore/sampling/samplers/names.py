"""Samplers by name, as the command line spells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from restore.errors import UsageError, suggest
from restore.options.spec import parse
from restore.sampling.samplers.ddim import ddim, diffpir, probability_flow
from restore.sampling.samplers.dpmpp_2m import dpmpp_2m
from restore.sampling.samplers.euler_maruyama import euler_maruyama
from restore.sampling.samplers.heun import heun
from restore.sampling.samplers.langevin import langevin, predictor_corrector
from restore.sampling.samplers.sampler import Sampler

SAMPLERS: Mapping[str, Callable[..., Sampler]] = MappingProxyType(
    {
        "ddim": ddim,
        "diffpir": diffpir,
        "dpmpp-2m": dpmpp_2m,
        "euler-maruyama": euler_maruyama,
        "heun": heun,
        "langevin": langevin,
        "predictor-corrector": predictor_corrector,
        "probability-flow": probability_flow,
    }
)


def named(text: str) -> Sampler:
    """The sampler of a spec `NAME[:key=value,...]`. Values are numbers; that of `predictor` is the name of a sampler.

    Raises: UsageError for an unknown name or key, or a value of another kind or outside its range.
    """
    return parse("sampler", text, _factory, {"predictor": lambda name: _factory(name)()})


def _factory(name: str) -> Callable[..., Sampler]:
    if name not in SAMPLERS:
        raise UsageError(f"unknown sampler {name!r}; {suggest(name, SAMPLERS)}")
    return SAMPLERS[name]
