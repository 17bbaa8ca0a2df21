"""What the training loop trains, and on what: priors unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from restore.priors.loaders import folder as model_folder


class Batches(Protocol):
    """Batches as a pure function of seed, step and process; see `Crops`."""

    def batch(self, count: int, seed: int, step: int, process: int = 0, device: torch.device = ...) -> Tensor: ...

    def classes(self, count: int, seed: int, step: int, process: int = 0, device: torch.device = ...) -> Tensor | None: ...


@dataclass(frozen=True)
class Kind:
    """What is trained.

    Attributes:
        build: the untrained model of a config, called with the dtype that it computes in; `network` in it is compiled.
        save: writes a folder, config, model and the text of a card. Raises OSError.
    """

    build: Callable[[dict[str, Any], torch.dtype], Any]
    save: Callable[[Path, dict[str, Any], Any, str], None]


PRIORS = Kind(
    build=lambda config, dtype: model_folder.channels_last(model_folder.build(config, dtype=dtype)), save=model_folder.save
)
