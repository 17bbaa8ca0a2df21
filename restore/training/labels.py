"""Classes of training pictures: numbers in an .npz, or the names of the folders that they lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from restore.errors import UsageError
from restore.priors.latent.conditional import Bound
from restore.priors.latent.conditions import Condition
from restore.priors.prior import Prior
from restore.wording import called


@dataclass(frozen=True)
class Labels:
    """The classes of pictures.

    Attributes:
        numbers: (N,) int64, the class of each picture; `len(names)` for one of none.
        names: of the classes.
        dropout: share of pictures whose class is not told, for classifier-free guidance (Ho & Salimans 2022, 2207.12598,
            algorithm 1).
    """

    numbers: NDArray[np.int64]
    names: tuple[str, ...]
    dropout: float

    def told(self, which: NDArray[np.int64], seed: int, step: int, process: int) -> NDArray[np.int64]:
        """(B,), what the network is told of the pictures `which` in a step, a function of its arguments."""
        # A stream of its own, so that crops are the same with and without labels.
        silent = np.random.default_rng((seed, step, process, 1)).random(len(which)) < self.dropout
        return np.where(silent, len(self.names), self.numbers[which])


def numbered(classes: Sequence[str | None], names: Sequence[str], dropout: float) -> Labels:
    """Labels of pictures from the name of each one's class; None for none. Raises UsageError for fewer than two classes."""
    known = {name: number for number, name in enumerate(names)}
    if len(known) < 2:
        raise UsageError(f"labels tell classes apart, and all pictures are of one: {', '.join(known) or 'none'}")
    numbers = [len(known) if name is None else known[name] for name in classes]
    return Labels(np.array(numbers, np.int64), tuple(known), dropout)


def of_array(source: Path, count: int) -> tuple[list[str], list[str]]:
    """The class of each picture in an .npz, from its `labels` and, if it has them, `names`.

    Returns: a name for each picture, and the names of all classes in order.

    Raises: UsageError if it holds no labels, or they are not one class for each picture.
    """
    try:
        loaded: Any = np.load(source, allow_pickle=False) if source.suffix == ".npz" else {}
        labels = np.asarray(loaded["labels"])
        told = [str(name) for name in loaded["names"]] if "names" in loaded else None
    except (OSError, EOFError, ValueError, KeyError, IndexError, BadZipFile):
        raise UsageError(f"{source}: no labels; an .npz holds them as `labels`, one number for each of its `images`") from None
    if (
        labels.shape != (count,)
        or labels.dtype.kind not in "iu"
        or (count and not 0 <= labels.min() <= labels.max() < 2**16 - 1)
    ):
        raise UsageError(
            f"{source}: labels must be {count} numbers from 0, one for each picture, found {labels.shape} {labels.dtype}"
        )
    names = told or [str(number) for number in range(int(labels.max(initial=0)) + 1)]
    if labels.max(initial=0) >= len(names):
        raise UsageError(f"{source}: its labels go up to {labels.max()}, and it has {len(names)} names")
    return [names[number] for number in labels], names


def of_folder(path: Path, source: Path) -> str:
    """The class of a picture in a folder of classes. Raises UsageError for one that lies in none."""
    if path == source or path.parent == source:
        raise UsageError(f"{path} lies in no folder of a class; give a folder of one folder a class with {called('labels')}")
    return path.relative_to(source).parts[0]


class Classed(nn.Module):
    """A prior as a module called with the classes beside.

    Args:
        prior: one network, which takes `class_labels`.
        model_for: see `Objective`.
    """

    def __init__(self, prior: Any, model_for: Callable[[Prior], nn.Module]) -> None:
        super().__init__()
        self.prior, self.model_for = prior, model_for

    def forward(self, x: Tensor, level: Tensor, class_labels: Tensor) -> Any:
        bound = self.prior.twin()
        bound.network = Bound(self.prior.network, Condition(given={"class_labels": class_labels}))
        return self.model_for(bound)(x, level)
