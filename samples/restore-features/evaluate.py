"""The figures of README.md: a linear probe on the features of a prior at three noise levels.

    python evaluate.py split DATA.npz TRAINED.npy           # what the prior is trained on
    python evaluate.py probe DATA.npz --prior PRIOR

DATA.npz has `images` (N, H, W[, C]) uint8 and `labels`; the first 8000 train the prior (without labels) and the probe, the
others test.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from restore_features.activations import features
from torch import Tensor
from torch.nn import functional as F

from restore import Noise, Prior, Restorer

TRAINED = 8000
LEVELS = (0.1, 0.3, 1.0)  # sigma in [-1, 1]: 13, 38 and 128 grey levels.
DECAYS = (1e-4, 1e-3, 1e-2)


def mixed(labels: np.ndarray) -> np.ndarray:
    """The order in which classes take turns, and each keeps its own order."""
    nth = np.zeros(len(labels), int)
    for label in np.unique(labels):
        nth[labels == label] = np.arange((labels == label).sum())
    return np.argsort(nth, kind="stable")


def described(prior: Prior, images: Tensor, sigma: float, place: str, batch: int = 250) -> Tensor:
    """Features (N, 4 F): the means of the activations in the quarters of each picture, with noise of its own seed."""
    rows = []
    for first in range(0, len(images), batch):
        x = images[first : first + batch]
        x = x + sigma * Noise(range(first, first + len(x)))(x)
        rows.append(F.adaptive_avg_pool2d(features(prior, x, sigma, place), 2).flatten(1))
    return torch.cat(rows)


def probe(x: Tensor, labels: Tensor) -> float:
    """Test accuracy of multinomial logistic regression; of the trained rows the last 1000 choose its weight decay."""
    x = (x - x[:TRAINED].mean(dim=0)) / (x[:TRAINED].std(dim=0) + 1e-6)
    held = slice(TRAINED - 1000, TRAINED)
    accuracy = [
        _right(_fitted(x[: TRAINED - 1000], labels[: TRAINED - 1000], decay), x[held], labels[held]) for decay in DECAYS
    ]
    decay = DECAYS[int(np.argmax(accuracy))]
    return _right(_fitted(x[:TRAINED], labels[:TRAINED], decay), x[TRAINED:], labels[TRAINED:])


def _fitted(x: Tensor, labels: Tensor, decay: float) -> Tensor:
    weights = torch.zeros(x.shape[1] + 1, int(labels.max()) + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(_scores(weights, x), labels) + decay * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


def _scores(weights: Tensor, x: Tensor) -> Tensor:
    return x @ weights[:-1] + weights[-1]


def _right(weights: Tensor, x: Tensor, labels: Tensor) -> float:
    return float((_scores(weights, x).argmax(dim=1) == labels).float().mean())


def untrained(prior: Prior) -> Prior:
    """The prior with weights drawn at random, normal and scaled by the number of inputs, for comparison."""
    torch.manual_seed(0)
    for weights in prior.parameters():
        if weights.ndim > 1:
            torch.nn.init.kaiming_normal_(weights, nonlinearity="relu")
        else:
            torch.nn.init.zeros_(weights)
    return prior


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["split", "probe"])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--prior", default="photo")
    parser.add_argument("--place", default="", help="module; by default the last of the coarsest level")
    parser.add_argument("--sorted", action="store_true", help="DATA has one class after the other: take turns")
    given = parser.parse_args()
    with np.load(given.data) as archive:
        images, labels = archive["images"], archive["labels"]
    if given.sorted:
        order = mixed(labels)
        images, labels = images[order], labels[order]
    labels = torch.from_numpy(labels).long()
    if given.what == "split":
        np.save(given.out, images[:TRAINED])
        return
    x = torch.from_numpy(images.reshape(*images.shape[:3], -1)).permute(0, 3, 1, 2).float() / 127.5 - 1
    print(f"{given.data.name}: {TRAINED} train, {len(x) - TRAINED} test; accuracy of a linear probe on")
    print(f"  pixels                {probe(x.flatten(1), labels):.3f}")
    prior = Restorer.from_pretrained(given.prior, dtype="float32").prior
    for sigma in LEVELS:
        print(f"  features at {sigma:3.1f}       {probe(described(prior, x, sigma, given.place), labels):.3f}", flush=True)
    print(f"  untrained, at {LEVELS[0]:3.1f}     {probe(described(untrained(prior), x, LEVELS[0], given.place), labels):.3f}")


if __name__ == "__main__":
    main()
