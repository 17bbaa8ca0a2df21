"""Kernels by name, as the command line spells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from restore.errors import UsageError, suggest
from restore.kernels.ddim import ddim, diffpir, probability_flow
from restore.kernels.dpmpp_2m import dpmpp_2m
from restore.kernels.euler_maruyama import euler_maruyama
from restore.kernels.heun import heun
from restore.kernels.kernel import Kernel
from restore.kernels.langevin import langevin, predictor_corrector
from restore.words import made

KERNELS: Mapping[str, Callable[..., Kernel]] = MappingProxyType(
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


def named(text: str) -> Kernel:
    """The kernel that `NAME[:key=value,...]` stands for; a value is a number, or a kernel's name for `predictor`.

    Raises: UsageError for an unknown name or key, or a value that is neither.
    """
    return made("kernel", text, _factory, {"predictor": lambda name: _factory(name)()})


def _factory(name: str) -> Callable[..., Kernel]:
    if name not in KERNELS:
        raise UsageError(f"unknown kernel {name!r}; {suggest(name, KERNELS)}")
    return KERNELS[name]
