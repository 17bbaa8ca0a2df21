"""Activations of any prior with a network: their places, their values, their principal components as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore import Guidance, Noise, Prior, PriorError, PriorView, Problem, Sampler, UsageError
from restore.wording import called


def features(prior: Prior, x: Tensor, sigma: Tensor | float, place: str = "") -> Tensor:
    """The activations (B, F, h, w) float32 of one module while the prior evaluates D(x, sigma).

    Args:
        x: (B, C, H, W), pictures in [-1, 1] plus noise of standard deviation sigma; without noise they are unlike what the
            network was trained on.
        place: one of `places`; by default the last of the lowest resolution.

    Raises: UsageError for another place, and where the prior evaluates a picture in several windows; PriorError for a prior
    without a network.
    """
    known = places(prior)
    least = min(height * width for _, height, width in known.values())
    place = place or [name for name, (_, height, width) in known.items() if height * width == least][-1]
    if place not in known:
        raise UsageError(f"place: {place!r} is no module with maps (F, h, w); the prior has {', '.join(known)}")
    return _evaluated(prior, x, sigma, place)[place].float()


def places(prior: Prior, size: tuple[int, int] = (32, 32)) -> dict[str, tuple[int, int, int]]:
    """The modules that compute maps, in the order of the computation, with the maps' shape (F, h, w) for pictures (H, W).

    Raises: PriorError for a prior without a network.
    """
    while isinstance(prior, PriorView):
        prior = prior.prior
    x = torch.zeros(1, prior.channels, *size, device=next((weights.device for weights in prior.parameters()), None))
    found = _evaluated(prior, x, max(prior.sigma_min, 0.1))
    if not found:
        raise PriorError(f"a prior of class {type(prior).__name__} has no network to take features from")
    return {name: (maps.shape[1], maps.shape[2], maps.shape[3]) for name, maps in found.items()}


@torch.no_grad()
def _evaluated(prior: Prior, x: Tensor, sigma: Tensor | float, wanted: str | None = None) -> dict[str, Tensor]:
    """The maps by name of one module, or of all; names are those of the innermost prior, whatever views are around it."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4:
                if name in found:
                    raise UsageError(
                        f"features are of whole pictures, and this one is evaluated in windows; give a larger {called('tile')}"
                    )
                found[name] = output

        return hook

    modules = {name.replace("prior.", ""): one for name, one in prior.named_modules() if not isinstance(one, Prior)}
    kept = [one.register_forward_hook(keep(name)) for name, one in modules.items() if wanted in (None, name)]
    try:
        prior(x, sigma)
    finally:
        for handle in kept:
            handle.remove()
    return found


def components(maps: Tensor, count: int) -> Tensor:
    """The first principal components of each picture's features (B, F, h, w), as (B, count, h, w) in [-1, 1]."""
    flat = maps.flatten(2).float()
    flat = flat - flat.mean(dim=2, keepdim=True)
    vectors = torch.linalg.svd(flat, full_matrices=False)[0][..., :count]
    # A direction has no sign of its own: the largest entry is positive.
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    shares = (vectors * largest.sign()).mT @ flat
    if shares.shape[1] < count:
        raise UsageError(f"{maps.shape[1]} features at {flat.shape[2]} points have no {count} components; give another place")
    return (shares / shares.abs().amax(dim=2, keepdim=True).clamp_min(1e-12)).unflatten(2, maps.shape[2:])


@dataclass(frozen=True)
class Components(Guidance):
    """One transition, from the noised picture to the components of its features, a colour channel each.

    Attributes:
        level: sigma, in units of [-1, 1] pictures.
        place: see `features`.
    """

    level: float = 0.2
    place: str = ""

    def schedule(self, prior: Prior, problem: Problem, steps: int) -> Tensor:
        return torch.tensor([self.level, 0.0])

    def step(
        self, problem: Problem, prior: Prior, sampler: Sampler, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> Tensor:
        maps = features(prior, x, sigma, self.place)
        return F.interpolate(components(maps, x.shape[1]), x.shape[2:], mode="bilinear").to(x.dtype)
