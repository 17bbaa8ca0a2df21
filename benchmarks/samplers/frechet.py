"""How far drawn digits are from real ones: a Frechet distance on features of a small classifier trained here."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 32


class Classifier(nn.Module):
    """Digits to ten logits by way of 32 features."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.hidden, self.last = nn.Linear(32 * 49, FEATURES), nn.Linear(FEATURES, 10)

    def features(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return F.relu(self.hidden(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))


def classifier(x: Tensor, labels: Tensor, epochs: int = 10) -> Classifier:
    """Trained from the same weights in the same order every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Classifier()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(x[part]), labels[part]).backward()
            optimizer.step()
    return network.eval().requires_grad_(False)


def judge(file: Path, images: Tensor, labels: Tensor) -> Classifier:
    """The classifier of an earlier run, or one trained now: rounding differs with the number of threads, so distances do."""
    if file.exists():
        network = Classifier()
        network.load_state_dict(torch.load(file, weights_only=True))
        return network.eval().requires_grad_(False)
    network = classifier(images, labels)
    torch.save(network.state_dict(), file)
    return network


def fitted(network: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features."""
    features = torch.cat([network.features(part) for part in x.split(256)]).double()
    return features.mean(0), features.T.cov()


def frechet(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """|m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), in percent of tr(B)."""
    values, basis = torch.linalg.eigh(a[1])
    root = basis * values.clamp(min=0).sqrt() @ basis.T
    cross = torch.linalg.eigvalsh(root @ b[1] @ root).clamp(min=0).sqrt().sum()
    distance = (a[0] - b[0]).square().sum() + a[1].trace() + b[1].trace() - 2 * cross
    return float(100 * distance / b[1].trace())


def floor(network: Classifier, spare: Tensor, real: tuple[Tensor, Tensor], count: int) -> tuple[float, float]:
    """Mean and spread of the distance of as many real digits, over sets that share none."""
    parts = [part for part in spare.split(count) if len(part) == count]
    found = torch.tensor([frechet(fitted(network, part), real) for part in parts])
    return float(found.mean()), float(found.std())
