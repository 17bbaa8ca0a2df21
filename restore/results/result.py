"""What a run says while it goes, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from restore.errors import UsageError
from restore.images import Picture, like, write


@dataclass(frozen=True)
class Event:
    """One transition done.

    Attributes:
        step, steps: how many are done, of how many.
        state: (B, C, h, w), x at the current noise level, of the current window and its batch of samples.
        result: on the last event only.
    """

    step: int
    steps: int
    state: Tensor = field(repr=False)
    result: Result | None = None

    @property
    def preview(self) -> Tensor:
        """(C, h, w) float32 in [0, 1]: the state of the first sample; made when asked for, as it costs a step's time."""
        return (self.state[0].clamp(-1, 1) + 1) / 2


@dataclass(frozen=True)
class Result:
    """The answer to a problem and what is known about it; of a task, also the picture to write.

    Attributes:
        x: (1, C, H, W) in [-1, 1]: the answer.
        samples: (N, C, H, W) in [-1, 1]: every sample drawn, or the point estimate.
        mean, std: (1, C, H, W): of the samples, in [-1, 1] units; std is None for one sample.
        consistency: root mean square of y - A(answer): in units of sigma_y, or of grey levels (0-255) where sigma_y is 0.
        answer: what the answer is: "sample", "mean" (of samples), "estimate" (a point estimate) or "blend".
        fidelity: from 0, a posterior sample, to 1, the mean or the point estimate.
        picture: the answer of the input's kind, ready to write; None without a task.
        record: what a rerun needs: task, options, seed, prior and its hash, versions; empty without a task.
        given: what came in; `image` is of its kind.
    """

    x: Tensor = field(repr=False)
    samples: Tensor = field(repr=False)
    mean: Tensor = field(repr=False)
    std: Tensor | None = field(repr=False)
    consistency: float
    answer: str
    fidelity: float
    picture: Picture | None = field(default=None, repr=False)
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    given: Any = field(default=None, repr=False)

    @property
    def image(self) -> Any:
        """The answer as the kind of thing that came in: tensor, array, or PIL image (for a path too).

        Raises: UsageError for the result of a problem, which has `x` alone.
        """
        return like(self.given, self._written())

    def save(self, path: str | Path, *, metadata: Literal["keep", "strip"] = "keep", overwrite: bool = False) -> None:
        """Writes the answer, of the input's depth, with alpha, profile and metadata.

        Raises: PictureError if it cannot be written; UsageError for the result of a problem, which has `x` alone.
        """
        write(Path(path), self._written(), metadata=metadata, overwrite=overwrite)

    def _written(self) -> Picture:
        if self.picture is None:
            raise UsageError("this is the result of a problem, not of a picture; its answer is result.x")
        return self.picture
