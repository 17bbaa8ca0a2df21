"""What turns gradients into steps: AdamW, or Muon for the inner convolutions and AdamW for the rest.

From the same start and for the same time, Muon's runs are ahead; docs/trials.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from restore.device.dtype import multiplies_bfloat16

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Of Jordan et al. 2024 (kellerjordan.github.io/posts/muon): five rounds bring singular values in [0.01, 1] near 1."""


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal (Jordan et al. 2024): every direction of a layer's matrix moves by the same length.

    The gradient of a layer is nearly of low rank, so Adam moves few of its directions; the nearest orthogonal matrix moves
    all. Kernels (O, I, h, w) are matrices (O, I h w). Steps are scaled to the root mean square that AdamW's have, about 0.2, so
    that one learning rate does for both (Liu et al. 2025, 2502.16982, section 2.2). Groups with `plain=True` take AdamW.
    torch.optim.Muon takes matrices only, no kernels.

    Args:
        parameters: groups, as other optimizers take them.
        lr: learning rate.
        momentum: of the matrices' moving average, taken with Nesterov's look ahead.
        betas, eps: AdamW's.
    """

    def __init__(
        self,
        parameters: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "plain": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            # Matrices of one shape are made orthogonal together: a GPU takes as long for one as for ten.
            for shape in dict.fromkeys(parameter.shape for parameter in moved if not group["plain"]):
                self._orthogonal([parameter for parameter in moved if parameter.shape == shape], group)
            if group["plain"] and moved:
                self._plain(moved, group)
        return loss

    def _orthogonal(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = _gradients(parameters)
        momenta = [self._state(parameter, "momentum") for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        matrices = orthogonal(torch.stack(list(ahead)).flatten(2))
        length = 0.2 * math.sqrt(max(matrices.shape[1:]))
        moves = [move.view_as(parameter) for move, parameter in zip(matrices, parameters, strict=True)]
        torch._foreach_add_(parameters, moves, alpha=-group["lr"] * length)

    def _plain(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = _gradients(parameters)
        firsts, seconds = ([self._state(parameter, name) for parameter in parameters] for name in ("first", "second"))
        (a, b), taken = group["betas"], []
        for parameter in parameters:
            taken.append(self.state[parameter].setdefault("step", torch.zeros(())))
        torch._foreach_add_(taken, 1.0)
        torch._foreach_lerp_(firsts, gradients, 1 - a)
        torch._foreach_lerp_(seconds, torch._foreach_mul(gradients, gradients), 1 - b)
        steps = [float(one) for one in taken]
        scales = torch._foreach_sqrt(torch._foreach_div(seconds, [1 - b**one for one in steps]))
        torch._foreach_add_(scales, group["eps"])
        torch._foreach_addcdiv_(parameters, firsts, scales, [-group["lr"] / (1 - a**one) for one in steps])

    def _state(self, parameter: Tensor, name: str) -> Tensor:
        state: dict[str, Tensor] = self.state[parameter]
        return state[name] if name in state else state.setdefault(name, torch.zeros_like(parameter))


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """U V^T of the singular value decomposition U S V^T, roughly: singular values come out in about [0.7, 1.2].

    Shape: (..., m, n) -> (..., m, n). bfloat16 is enough for so rough an answer, but a CPU without it takes many times as long
    as for float32.
    """
    a, b, c = QUINTIC
    x = matrix.bfloat16() if multiplies_bfloat16(matrix.device) else matrix
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


NAMES = ("adamw", "muon")


def make(name: str, network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """What trains all parameters of a module.

    Args:
        name: "adamw", or "muon": Muon for kernels between inner layers, AdamW for the first and last layer, gains and biases.
    """
    if name == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0, betas=(0.9, 0.99))
    # Layers from or to a picture have few channels on one side: they are no matrices to speak of.
    matrices = [p for p in network.parameters() if p.ndim == 4 and min(p.shape[:2]) > 16]
    held = {id(p) for p in matrices}
    plain = [p for p in network.parameters() if id(p) not in held]
    return Muon([{"params": matrices}, {"params": plain, "plain": True}], lr=learning_rate)
