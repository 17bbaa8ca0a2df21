"""What the calls of third-party tasks may return. See `checks`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from restore.errors import OperatorError
from restore.plugins.calls import Check, Origin, is_foreign
from restore.plugins.checks import adopt, method
from restore.plugins.values import check_tensor, check_type

if TYPE_CHECKING:
    from restore.problem import Problem


def _problem(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    from restore.noise.model import NoiseModel
    from restore.operators.constraint import Constraint
    from restore.operators.operator import Operator
    from restore.problem import Problem

    check_type(origin, call, result, Problem)
    check_type(origin, call, result.operator, Operator)
    shape = result.shape
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise origin.fault(call, f"returned a problem of shape {shape}; it is (1, 1 or 3, height, width)")
    check_tensor(origin, call, result.y, of="y:")
    if str(result.y.dtype) != "torch.float32":
        raise origin.fault(call, f"returned y: {str(result.y.dtype).removeprefix('torch.')}, not float32")
    if result.start is not None:
        check_tensor(origin, call, result.start, shape, of="start:")
    for part, kind in ((result.noise, NoiseModel), (result.constraint, Constraint)):
        if part is not None:
            check_type(origin, call, part, kind)
    for part in (result.operator, result.constraint):
        adopt(origin, part)
    _fits(origin, call, result)
    return result


def _fits(origin: Origin, call: str, problem: Problem) -> None:
    import torch

    from restore.problem import check_operator

    with torch.no_grad():
        try:
            check_operator(problem)
            explained = problem.operator(problem.y.new_zeros(problem.shape))
        except OperatorError as error:
            raise origin.fault(call, f"returned a problem whose parts do not fit: {error}") from error
        check_tensor(origin, call, explained, problem.y.shape, of="an operator that makes")
        if is_foreign(type(problem.operator)):
            for name in ("pinv", "adjoint", "initial_estimate"):
                if hasattr(problem.operator, name):
                    made = getattr(problem.operator, name)(problem.y)
                    check_tensor(origin, f"{type(problem.operator).__name__}.{name}", made, problem.shape)


def _finished(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    from restore.images import Picture

    check_type(origin, call, result, Picture)
    check_tensor(origin, call, result.pixels, of="pixels:")
    shape = tuple(result.pixels.shape)
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3) or 0 in shape:
        raise origin.fault(call, f"returned pixels: {shape}; a picture is (1, 1 or 3, height, width)")
    return result


def _found(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    check_type(origin, call, result, dict)
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        raise origin.fault(call, f"returned what JSON has no value for: {error}") from None
    return result


def _method_or_none(origin: Origin, call: str, self: Any, given: tuple[Any, ...], result: Any) -> Any:
    return None if result is None else method(origin, call, self, given, result)


TASK: Mapping[str, Check] = MappingProxyType(
    {"problem": _problem, "guidance": _method_or_none, "found": _found, "finish": _finished}
)
