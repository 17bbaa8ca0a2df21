"""Initialization from a trained prior with the same network, or one that the new one grew from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from restore.errors import PriorError

BLOCK = re.compile(r"(.*_blocks\.\d+\.\d+)\..+")
HEAD = "network.head.weight"


def transfer_weights(initial: nn.Module, prior: nn.Module) -> None:
    """Copy the weights of `initial` into `prior`, in place, and make residual blocks that only `prior` has the identity.

    A residual block is the identity if its second convolution is zero. The deeper network therefore starts with the outputs of
    the trained one (Net2DeeperNet: Chen, Goodfellow and Shlens 2016, "Net2Net", 1511.05641). A cascade keeps the weights it has
    for what it is shown: from zeros it would learn to do without.

    Raises: PriorError if the networks differ in anything but whole residual blocks, or a cascade, that `initial` lacks.
    """
    try:
        found = prior.load_state_dict(_widened(initial.state_dict(), prior.state_dict()), strict=False)
    except RuntimeError as error:
        raise PriorError(f"the initial prior has another architecture: {str(error).splitlines()[-1].strip()}") from None
    new = {match[1] if (match := BLOCK.fullmatch(key)) else key for key in found.missing_keys}
    kept = {match[1] for key in initial.state_dict() if (match := BLOCK.fullmatch(key))}
    wrong = sorted(found.unexpected_keys) or sorted(name for name in new if name in kept or not BLOCK.fullmatch(name + ".x"))
    if wrong:
        raise PriorError(f"the initial prior has another architecture: {wrong[0]}")
    for name in new:
        nn.init.zeros_(prior.get_parameter(f"{name}.second.weight"))


def _widened(initial: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`initial` with a head that also takes what a cascade is shown, if that alone is missing."""
    if HEAD not in initial or HEAD not in own or own[HEAD].shape[1] != 2 * initial[HEAD].shape[1]:
        return initial
    head = own[HEAD].clone()
    head[:, : initial[HEAD].shape[1]] = initial[HEAD]
    return {**initial, HEAD: head}
