"""Whether weights fit a config, found out without memory for either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from restore.device.memory import is_lack_of_memory
from restore.errors import PriorError
from restore.priors.loaders import schema
from restore.priors.loaders.build import build_network, last_line
from restore.priors.loaders.fields import shown

VALUES = ("normal_", "uniform_", "fill_", "zero_", "mul_", "trunc_normal_")


class _WithoutValues(TorchFunctionMode):
    """Leaves tensors as they are where a constructor would set values. On the meta device some of these operations are slow,
    and their first use imports a compiler."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is torch.linspace:
            return torch.empty(args[2] if len(args) > 2 else kwargs["steps"])
        if function is torch.exp or getattr(function, "__name__", "") in VALUES:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def check_weights(config: Mapping[str, Any], found: Mapping[str, Tensor], source: str) -> None:
    """Check a config, and compare names and shapes of the weights with those of the network that it describes.

    Args:
        found: the network's state dict; its tensors may be on the meta device.
        source: the model's name in errors.

    Raises: PriorError if the schema does not allow the config, or that counts missing tensors, unexpected ones and those of
    another shape, and names the first of each.
    """
    schema.check(config, source)
    blocks = schema.block_count(config["network"])
    if blocks > len(found):  # Before the network is built, which takes time for each of its blocks.
        raise PriorError(f"{source}: its config describes {blocks} blocks, its weights are {len(found)} tensors")
    with torch.device("meta"), _WithoutValues():
        network, sizes = build_network(config, source)
    expected = network.state_dict()
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    reshaped = sorted(name for name in expected.keys() & found.keys() if expected[name].shape != found[name].shape)
    faults = [
        f"{len(names)} {what} ({_name(names[0])} first)"
        for names, what in ((missing, "are missing"), (unexpected, "are unexpected"))
        if names
    ]
    if reshaped:
        shapes = f"expected {tuple(expected[reshaped[0]].shape)}, found {tuple(found[reshaped[0]].shape)}"
        faults.append(f"{len(reshaped)} have another shape ({_name(reshaped[0])} first: {shapes})")
    if faults:
        raise PriorError(f"{source}: its architecture has {len(expected)} tensors, of which {'; '.join(faults)}")
    if config["network"]["type"] == "diffusers":
        _check_evaluation(network, sizes, source)


@torch.no_grad()
def _check_evaluation(network: nn.Module, sizes: Mapping[str, int], source: str) -> None:
    """Evaluate the network without values: not all that diffusers builds can be evaluated. Raises PriorError."""
    side = 4 * sizes["multiple_of"]  # Group normalisation takes more than one pixel.
    shape = (1, sizes["channels"], side, side)
    x, level = torch.empty(shape, device="meta"), torch.empty(1, device="meta")
    try:
        answer = network.eval()(x, level)
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, RuntimeError, AssertionError) as error:
        if is_lack_of_memory(error):
            raise
        raise PriorError(f"{source}: its network cannot be evaluated: {last_line(error)}") from error
    if answer.shape[2:] != x.shape[2:]:
        raise PriorError(f"{source}: its network takes pictures {tuple(shape)} to {tuple(answer.shape)}")


def _name(name: str) -> str:
    """A tensor's name; quoted and shortened where it is not an ordinary one."""
    return name if len(name) < 80 and name.isprintable() else shown(name)
