"""A run that starts from the weights of a trained prior, of the same network or of one with fewer blocks."""

from __future__ import annotations

import re

from torch import nn

from restore.errors import PriorError

BLOCK = re.compile(r"(.*_blocks\.\d+\.\d+)\..+")


def start_from(initial: nn.Module, prior: nn.Module) -> None:
    """Loads the weights of `initial` into `prior`, in place; blocks that only `prior` has are made to do nothing at first.

    A residual block whose second convolution is zero is the identity, so the deeper network begins with the answers of the
    trained one and learns from there (Chen, Goodfellow and Shlens 2016, "Net2Net", 1511.05641).

    Raises: PriorError where anything but whole blocks is missing, or a shape differs.
    """
    try:
        found = prior.load_state_dict(initial.state_dict(), strict=False)
    except RuntimeError as error:
        raise PriorError(f"the initial prior is of another shape: {str(error).splitlines()[-1].strip()}") from None
    new = {match[1] if (match := BLOCK.fullmatch(key)) else key for key in found.missing_keys}
    kept = {match[1] for key in initial.state_dict() if (match := BLOCK.fullmatch(key))}
    wrong = sorted(found.unexpected_keys) or sorted(name for name in new if name in kept or not BLOCK.fullmatch(name + ".x"))
    if wrong:
        raise PriorError(f"the initial prior is of another shape: {wrong[0]}")
    for name in new:
        nn.init.zeros_(prior.get_parameter(f"{name}.second.weight"))
