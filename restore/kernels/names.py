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
    name, _, arguments = text.partition(":")
    factory = _factory(name)
    given: dict[str, float | Kernel] = {}
    for part in filter(None, arguments.split(",")):
        key, _, value = part.partition("=")
        given[key.strip()] = _factory(value)() if key.strip() == "predictor" else _number(name, part, value)
    try:
        return factory(**given)
    except TypeError as error:
        raise UsageError(f"kernel {name}: {error}; write NAME:key=value,key=value") from None


def _factory(name: str) -> Callable[..., Kernel]:
    if name not in KERNELS:
        raise UsageError(f"unknown kernel {name!r}; {suggest(name, KERNELS)}")
    return KERNELS[name]


def _number(kernel: str, part: str, value: str) -> float | int:
    try:
        return int(value) if value.strip().isdecimal() else float(value)
    except ValueError:
        raise UsageError(f"kernel {kernel}: {part!r} is not key=number") from None
