"""The events of a run and its result."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from torch import Tensor
from typing_extensions import Self, TypeVar

from restore.errors import UsageError
from restore.images import Picture, like, write

if TYPE_CHECKING:
    from PIL import Image

Given = TypeVar("Given", default=Any)
"""The type of the picture that was given."""


class RestoredImage:
    """The restored picture in the type of the input: a tensor, array, or PIL image (also for a path).

    A property, typed by what went in: for type checkers a `Result[str]` has a PIL image, any other `Result[T]` a T.

    Raises: UsageError for the result of a problem without a task, which has `x` alone.
    """

    @overload
    def __get__(self, result: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, result: Result[str] | Result[Path], owner: Any = None) -> Image.Image: ...
    @overload
    def __get__(self, result: Result[Given], owner: Any = None) -> Given: ...
    def __get__(self, result: Result[Any] | None, owner: Any = None) -> Any:
        return self if result is None else like(result.given, result.to_write())


@dataclass(frozen=True)
class Event(Generic[Given]):
    """The state of a run after one transition.

    Attributes:
        step, steps: transitions done and in total.
        state: (B, C, h, w), x at the current noise level, of the current window and its batch of samples.
        result: the result, in the last event only.
        decode: from a state to pictures, where the prior is one of latents.
    """

    step: int
    steps: int
    state: Tensor = field(repr=False)
    result: Result[Given] | None = None
    decode: Callable[[Tensor], Tensor] = field(default=lambda state: state, repr=False)

    @property
    def preview(self) -> Tensor:
        """(C, h, w) float32 in [0, 1]: the state of the first sample. Computed on access, as it takes as long as a step."""
        return (self.decode(self.state[:1])[0].clamp(-1, 1) + 1) / 2


@dataclass(frozen=True, repr=False)
class Result(Generic[Given]):
    """The solution of a problem with its statistics; for a task, also the picture to write.

    Attributes:
        x: (1, C, H, W) in [-1, 1], the solution; (B, C, H, W) for a problem of B pictures.
        samples: (N, C, H, W) in [-1, 1], all samples drawn, or the point estimate; (B, N, C, H, W) for B > 1.
        mean, std: as x, of the samples, in units of [-1, 1] pictures; std is None for one sample.
        consistency: root mean square of y - A(x), in units of sigma_y, or in grey levels (0-255) where sigma_y is 0.
        answer: what x is: "sample", "mean" (of samples), "estimate" (a point estimate) or "blend".
        fidelity: from 0, a posterior sample, to 1, the mean or the point estimate.
        picture: x as a picture of the input's kind, ready to write; None without a task.
        record: task, options, seed, prior and its hash, versions, for `restore rerun`; without a task empty but for
            `adapted`, what became of tuning the prior (`restore.adapting.tuning.Tuning`).
        mask: bool (1, 1, H, W), true at the pixels that were filled; None if the problem does not mark any.
        given: the input; `image` has its type.
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
    mask: Tensor | None = field(default=None, repr=False)
    given: Any = field(default=None, repr=False)

    image = RestoredImage()

    def save(self, path: str | Path, *, metadata: Literal["keep", "strip"] = "keep", overwrite: bool = False) -> None:
        """Write the restored picture, with the input's bit depth, alpha, profile and metadata.

        Raises: PictureError if it cannot be written, or exists and `overwrite` is False; UsageError for the result of a problem
        without a task, which has `x` alone, and for what is no path.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise UsageError(f"path: {path!r} ({type(path).__name__}) is not a path")
        write(Path(path), self.to_write(), metadata=metadata, overwrite=overwrite)

    def __repr__(self) -> str:
        height, width = self.x.shape[-2:]
        done = [self.record["task"]] if "task" in self.record else []
        count = self.samples.shape[-4]
        several = [f"{len(self.x)} pictures"] if len(self.x) > 1 else []
        drawn = [f"{count} samples"] if count > 1 else []
        agrees = f"consistency {self.consistency:.3g}"
        return f"<Result: {', '.join([*done, *several, f'{width}x{height}', self.answer, *drawn, agrees])}>"

    def to_write(self) -> Picture:
        """`picture`; UsageError for the result of a problem without a task, which has none."""
        if self.picture is None:
            raise UsageError("this is the result of a problem, not of a picture; use result.x")
        return self.picture
