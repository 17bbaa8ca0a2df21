"""How far drawn digits are from real ones: a Frechet distance on features of a small classifier trained here."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.metrics import frechet

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


def trained(images: Tensor, labels: Tensor, epochs: int = 10) -> Classifier:
    """From the same weights in the same order every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Classifier()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(images[part]), labels[part]).backward()
            optimizer.step()
    return network


def judge(file: Path, images: Tensor, labels: Tensor) -> Classifier:
    """The classifier of an earlier run, or one trained now: rounding differs with the number of threads, so distances do."""
    if file.exists():
        network = Classifier()
        network.load_state_dict(torch.load(file, weights_only=True))
    else:
        network = trained(images, labels)
        torch.save(network.state_dict(), file)
    return network.eval().requires_grad_(False)


def fitted(network: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features."""
    features = torch.cat([network.features(part) for part in x.split(256)]).double()
    return features.mean(0), features.T.cov()


def percent(found: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> float:
    """The Frechet distance in percent of the variance of the real ones."""
    return float(100 * frechet(*found, *real) / real[1].trace())


def floor(network: Classifier, spare: Tensor, real: tuple[Tensor, Tensor], count: int) -> tuple[float, float]:
    """Mean and spread of the distance of as many real digits, over sets that share none."""
    parts = [part for part in spare.split(count) if len(part) == count]
    found = torch.tensor([percent(fitted(network, part), real) for part in parts])
    return float(found.mean()), float(found.std())
