"""What the calls of third-party methods, priors and operators may return. See `calls`; `task_checks` has those of tasks.

Every check takes (origin, call, object, arguments, result), returns the result and raises PluginError. Modules that need torch
are imported inside, as plugins are loaded before it is.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from restore.errors import PluginError
from restore.plugins.calls import Check, Origin, guarded, is_foreign
from restore.plugins.values import check_tensor, check_type


def adopt(origin: Origin, thing: Any) -> Any:
    """An object that a plugin returned, guarded if its class is not the toolkit's; the operators that it holds, too."""
    from restore.guidance.guidance import Guidance
    from restore.operators.constraint import Constraint
    from restore.operators.operator import Operator
    from restore.priors.prior import Prior

    for kind, methods in ((Guidance, GUIDANCE), (Operator, OPERATOR), (Constraint, CONSTRAINT), (Prior, PRIOR)):
        if isinstance(thing, kind):
            if isinstance(thing, Operator | Guidance):
                for part in vars(thing).values() if hasattr(thing, "__dict__") else ():
                    if isinstance(part, Guidance | Operator):
                        adopt(origin, part)
            return guarded(thing, origin, methods) if is_foreign(type(thing)) else thing
    return thing


def anything(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    return adopt(origin, result)


# Guidance methods


def method(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    from restore.guidance.guidance import Guidance

    check_type(origin, call, result, Guidance)
    if result.answer not in ("sample", "estimate"):
        raise origin.fault(call, f"returned a method whose answer is {result.answer!r}, neither 'sample' nor 'estimate'")
    return adopt(origin, result)


def _preset(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], int) and result[1] > 0):
        raise origin.fault(call, f"returned {result!r}, not a method and a number of steps")
    return method(origin, call, self, given, result[0]), result[1]


def _schedule(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_tensor(origin, call, result)
    if result.ndim != 1 or len(result) < 2 or float(result[-1]) != 0 or bool((result[:-1] <= 0).any()):
        raise origin.fault(call, "returned no schedule: noise levels (steps + 1,), above 0, and 0 at the end")
    return result


def _state(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    """Of `start` and `step`; a state has the shape of the pictures, unless the method has its own `picture`."""
    from restore.guidance.guidance import Guidance

    plain = getattr(type(self).picture, "__wrapped__", type(self).picture) is Guidance.picture
    check_tensor(origin, call, result, given[0].shape if plain and given else None)
    return result


def _pictures(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_tensor(origin, call, result, given[0].shape if given else None)
    return result


def _estimate(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_tensor(origin, call, result, given[2].shape if len(given) > 2 else None, given=given[2:])
    return result


def _sampler(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    if not callable(result):
        raise origin.fault(call, f"returned a {type(result).__name__}, not a sampler")
    return result


# Priors


def prior(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    from restore.priors.prior import Prior

    check_type(origin, call, result, Prior)
    for name, fits in _ATTRIBUTES.items():
        value = getattr(result, name)
        if not fits(value):
            raise origin.fault(call, f"returned a prior whose {name} is {value!r}")
    if not result.sigma_min < result.sigma_max:
        raise origin.fault(call, f"returned a prior from sigma {result.sigma_min} to {result.sigma_max}")
    return adopt(replace(origin, error=PluginError), result)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, numbers.Integral) and int(value) >= least


def _is_number(value: Any, least: float = 0.0) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value) and float(value) >= least


def _are_levels(value: Any) -> bool:
    import torch

    return value is None or (isinstance(value, torch.Tensor) and value.ndim == 1 and value.is_floating_point())


_ATTRIBUTES: Mapping[str, Callable[[Any], bool]] = {
    "channels": lambda value: _is_whole(value, 1),
    "multiple_of": lambda value: _is_whole(value, 1),
    "context": lambda value: _is_whole(value, 0),
    "sigma_min": lambda value: _is_number(value, 1e-12),
    "sigma_max": _is_number,
    "sigma_start": lambda value: value is None or _is_number(value, 1e-12),
    "levels": _are_levels,
}


def _denoised(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_tensor(origin, call, result, given[0].shape if given else None, given=given[:1])
    return result


def _dtype(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    import torch

    check_type(origin, call, result, torch.dtype)
    return result


# Operators


def operator(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    from restore.operators.operator import Operator

    check_type(origin, call, result, Operator)
    return adopt(origin, result)


def _operator_or_none(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    return None if result is None else operator(origin, call, self, given, result)


def _measured(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_tensor(origin, call, result, given=given)
    return result


def _explained(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    """Of what returns pictures for y alone: their size is in the object only, so that the number and the dimensions remain."""
    check_tensor(origin, call, result, given=given)
    if given and (result.ndim != 4 or result.shape[0] != given[0].shape[0]):
        raise origin.fault(call, f"returned {tuple(result.shape)}, not pictures (B, C, H, W) for B = {given[0].shape[0]}")
    return result


def _like_first(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_tensor(origin, call, result, given[0].shape if given else None, given=given)
    return result


def _missing(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    import torch

    if result is None:
        return None
    check_type(origin, call, result, torch.Tensor)
    wanted = (1, 1, *tuple(given[0])[-2:]) if given else tuple(result.shape)
    if result.dtype != torch.bool or tuple(result.shape) != wanted:
        raise origin.fault(call, f"returned {tuple(result.shape)} {result.dtype}, where {wanted} bool is needed")
    return result


GUIDANCE: Mapping[str, Check] = MappingProxyType(
    {
        "preset": _preset,
        "check": anything,
        "start": _state,
        "schedule": _schedule,
        "sampler": _sampler,
        "wrap_prior": prior,
        "picture": _pictures,
        "step": _state,
        "estimate": _estimate,
    }
)
PRIOR: Mapping[str, Check] = MappingProxyType(
    {"denoise": _denoised, "effective_dtype": _dtype, "to": prior, "state_dict": anything}
)
OPERATOR: Mapping[str, Check] = MappingProxyType(
    {
        "__call__": _measured,
        "pinv": _explained,
        "adjoint": _explained,
        "initial_estimate": _explained,
        "prox": _like_first,
        "solve": _like_first,
        "missing_mask": _missing,
        "to": operator,
        "crop": _operator_or_none,
        **dict.fromkeys(("s", "vt", "v", "ut", "u"), anything),
    }
)
CONSTRAINT: Mapping[str, Check] = MappingProxyType(
    {"project": _like_first, "prox": _like_first, "to": anything, "crop": anything}
)
