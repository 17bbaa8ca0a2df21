"""Optimizers: AdamW, or Muon for the inner convolutions with AdamW for all other parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from restore.device.dtype import multiplies_bfloat16

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of Jordan et al. 2024 (kellerjordan.github.io/posts/muon): 5 iterations map [0.01, 1] to about 1."""


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024): each update is the orthogonalized momentum of a layer.

    Momenta are nearly of low rank; their nearest semi-orthogonal matrix changes all directions by the same length. Convolution
    kernels (O, I, h, w) are taken as matrices (O, I h w), which torch.optim.Muon does not do. Updates are scaled to a root mean
    square of 0.2, about that of AdamW, so that both use one learning rate (Liu et al. 2025, 2502.16982, section 2.2).
    Parameter groups with `plain=True` use AdamW without weight decay.

    Args:
        parameters: parameter groups, as for other optimizers.
        lr: learning rate.
        momentum: decay of the moving average of gradients, used with Nesterov's correction.
        betas, eps: of AdamW.
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
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            # Matrices of one shape are orthogonalized as a batch: a GPU takes as long for one as for ten.
            for shape in dict.fromkeys(parameter.shape for parameter in trained if not group["plain"]):
                self._muon_step([parameter for parameter in trained if parameter.shape == shape], group)
            if group["plain"] and trained:
                self._adamw_step(trained, group)
        return loss

    def _muon_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = _gradients(parameters)
        momenta = [self._state(parameter, "momentum") for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        matrices = orthogonalize(torch.stack(list(ahead)).flatten(2))
        length = 0.2 * math.sqrt(max(matrices.shape[1:]))
        moves = [move.view_as(parameter) for move, parameter in zip(matrices, parameters, strict=True)]
        torch._foreach_add_(parameters, moves, alpha=-group["lr"] * length)

    def _adamw_step(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
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


def orthogonalize(matrix: Tensor, iterations: int = 5) -> Tensor:
    """An approximation of U V^T, for a singular value decomposition U S V^T: singular values of about 0.7 to 1.2.

    It computes in bfloat16, which is accurate enough, where the hardware has it; elsewhere bfloat16 is slower than float32.

    Shape: (..., m, n) -> (..., m, n).
    """
    a, b, c = QUINTIC
    x = matrix.bfloat16() if multiplies_bfloat16(matrix.device) else matrix
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


NAMES = ("adamw", "muon")


def make(name: str, network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """An optimizer of all parameters of a network.

    Args:
        name: "adamw"; or "muon", for Muon on inner convolutions and AdamW on the first and last layer, gains and biases.
    """
    if name == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0, betas=(0.9, 0.99))
    # The first and last layer have few input or output channels, so their matrices have no spectrum worth equalizing.
    matrices = [p for p in network.parameters() if p.ndim == 4 and min(p.shape[:2]) > 16]
    held = {id(p) for p in matrices}
    plain = [p for p in network.parameters() if id(p) not in held]
    return Muon([{"params": matrices}, {"params": plain, "plain": True}], lr=learning_rate)
