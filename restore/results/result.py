"""What a run gives back, and what it says while it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from restore.images import Picture, like, write


@dataclass(frozen=True)
class Result:
    """A restored picture and what is known about it.

    Attributes:
        picture: the answer, of the input's kind, ready to write.
        samples: (N, C, H, W) in [-1, 1]: every sample drawn.
        mean, std: (1, C, H, W): of the samples, in [-1, 1] units; std is None for one sample.
        consistency: root mean square of y - A(answer): in units of sigma_y, or of grey levels (0-255) where sigma_y is 0.
        answer: "sample", "mean" (of samples) or "estimate" (a point estimate): what the picture is.
        record: what a rerun needs: task, options, seed, prior and its hash, versions.
        given: what came in; `image` is of its kind.
    """

    picture: Picture
    samples: Tensor
    mean: Tensor
    std: Tensor | None
    consistency: float
    answer: str
    record: dict[str, Any]
    given: Any = field(default=None, repr=False)

    @property
    def image(self) -> Any:
        """The answer as the kind of thing that came in: tensor, array, or PIL image (for a path too)."""
        return like(self.given, self.picture)

    def save(self, path: str | Path, *, metadata: Literal["keep", "strip"] = "keep", overwrite: bool = False) -> None:
        """Writes the answer, of the input's depth, with alpha, profile and metadata. Raises PictureError."""
        write(Path(path), self.picture, metadata=metadata, overwrite=overwrite)


@dataclass(frozen=True)
class Event:
    """One transition done.

    Attributes:
        step, steps: how many are done, of how many as far as is known: fewer where a run ends early.
        state: (B, C, H, W) the current x of the current window, noise and all.
        result: on the last event only.
    """

    step: int
    steps: int
    state: Tensor = field(repr=False)
    result: Result | None = None

    @property
    def preview(self) -> Tensor:
        """(C, H, W) float32 in [0, 1]: the state of the first sample; made when asked for, as it costs a step's time."""
        return (self.state[0].clamp(-1, 1) + 1) / 2
