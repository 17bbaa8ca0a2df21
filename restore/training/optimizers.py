"""What turns gradients into steps: AdamW, or Muon for the inner convolutions and AdamW for the rest.

From the same start and for the same time, Muon's runs are ahead; docs/trials.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

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
            for parameter in group["params"]:
                if parameter.grad is not None:
                    (self._plain if group["plain"] else self._orthogonal)(parameter, parameter.grad, group)
        return loss

    def _orthogonal(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum, share = state["momentum"], 1 - group["momentum"]
        momentum.lerp_(gradient, share)
        ahead = gradient.lerp(momentum, group["momentum"])
        matrix = ahead.flatten(1)
        length = 0.2 * math.sqrt(max(matrix.shape))
        parameter.sub_(orthogonal(matrix).view_as(parameter), alpha=group["lr"] * length)

    def _plain(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state |= {"step": torch.zeros(()), "first": torch.zeros_like(parameter), "second": torch.zeros_like(parameter)}
        first, second, (a, b) = state["first"], state["second"], group["betas"]
        state["step"] += 1
        first.lerp_(gradient, 1 - a)
        second.lerp_(gradient.square(), 1 - b)
        steps = float(state["step"])
        scale = (second / (1 - b**steps)).sqrt_().add_(group["eps"])
        parameter.addcdiv_(first, scale, value=-group["lr"] / (1 - a**steps))


def orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """U V^T of the singular value decomposition U S V^T, roughly: singular values come out in about [0.7, 1.2].

    Shape: (m, n) -> (m, n); computed in bfloat16, which is enough for so rough an answer.
    """
    a, b, c = QUINTIC
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
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
