"""What every check of a third-party result shares: its type, and for tensors dtype, shape and finite values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restore.plugins.calls import Origin


def check_type(origin: Origin, call: str, result: Any, kind: type) -> None:
    if not isinstance(result, kind):
        raise origin.fault(call, f"returned a {type(result).__name__}, not a {kind.__name__}")


def check_tensor(
    origin: Origin, call: str, result: Any, shape: Sequence[int] | None = None, *, given: Sequence[Any] = (), of: str = ""
) -> None:
    """Checks a tensor of floats; NaN and infinity are only a fault where the tensors given were finite."""
    import torch

    from restore.problem import finite

    what = f"{of} " if of else ""
    if not isinstance(result, torch.Tensor):
        raise origin.fault(call, f"returned {what}a {type(result).__name__}, not a Tensor")
    if not result.is_floating_point():
        raise origin.fault(call, f"returned {what}{str(result.dtype).removeprefix('torch.')}, not a tensor of floats")
    if shape is not None and tuple(result.shape) != tuple(shape):
        raise origin.fault(call, f"returned {what}{tuple(result.shape)}, where {tuple(shape)} is needed")
    if type(result) is not torch.Tensor or result.numel() == 0:
        return  # Tensors without content, on which memory is counted.
    tensors = [one for one in given if type(one) is torch.Tensor and one.is_floating_point() and one.numel()]
    if not finite(result.detach()) and all(finite(one.detach()) for one in tensors):
        raise origin.fault(call, f"returned {what}NaN or infinite values")
