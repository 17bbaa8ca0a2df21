"""How a restorer is called: the options of each built-in task as its keywords, so that type checkers and editors know them."""

# The overload for wrong options overlaps with the others on purpose.
# mypy: disable-error-code="overload-overlap"
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, overload

import torch
from typing_extensions import Unpack

from restore.errors import OperatorError, PictureError, RestoreError, UsageError
from restore.options import keywords as options
from restore.results.result import Event, Given, Result
from restore.solving.solver import last
from restore.task import Task

BuiltIn = Literal[
    "inpaint", "super-resolution", "denoise", "colorize", "jpeg", "deblur", "auto", "edit", "run", "degrade"
]  # fmt: skip


class WrongOptions:
    """What type checkers see where the options are not those of the task; nothing returns one."""


class TypedCalls(ABC):
    """Calls by the names of the built-in tasks take their options alone. Those of other tasks are not known to a type checker,
    and any are taken; what is wrong raises UsageError in a run.

    The overload for wrong options keeps them from that for any name, which would take them.
    """

    @abstractmethod
    def _streamed(self, task: str | Task, image: Any, keywords: Mapping[str, Any]) -> Iterator[Event[Any]]:
        """See `stream`."""

    @overload
    def __call__(self, task: Literal["inpaint"], image: Given, **keywords: Unpack[options.InpaintCall]) -> Result[Given]: ...
    @overload
    def __call__(
        self, task: Literal["super-resolution"], image: Given, **keywords: Unpack[options.SuperResolutionCall]
    ) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["denoise"], image: Given, **keywords: Unpack[options.DenoiseCall]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["colorize"], image: Given, **keywords: Unpack[options.ColorizeCall]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["jpeg"], image: Given, **keywords: Unpack[options.Jpeg]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["deblur"], image: Given, **keywords: Unpack[options.DeblurCall]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["auto"], image: Given, **keywords: Unpack[options.Auto]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["edit"], image: Given, **keywords: Unpack[options.Edit]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["run"], image: Given, **keywords: Unpack[options.Run]) -> Result[Given]: ...
    @overload
    def __call__(self, task: Literal["degrade"], image: Given, **keywords: Unpack[options.Degrade]) -> Result[Given]: ...
    @overload
    def __call__(self, task: BuiltIn, image: Any, **keywords: Any) -> WrongOptions: ...
    @overload
    def __call__(self, task: str | Task, image: Given, **keywords: Any) -> Result[Given]: ...
    def __call__(self, task: str | Task, image: Any, **keywords: Any) -> Any:
        """Runs a task on one picture to the end; arguments and errors as for `stream`."""
        return last(self._streamed(task, image, keywords))

    @overload
    def stream(
        self, task: Literal["inpaint"], image: Given, **keywords: Unpack[options.InpaintCall]
    ) -> Iterator[Event[Given]]: ...
    @overload
    def stream(
        self, task: Literal["super-resolution"], image: Given, **keywords: Unpack[options.SuperResolutionCall]
    ) -> Iterator[Event[Given]]: ...
    @overload
    def stream(
        self, task: Literal["denoise"], image: Given, **keywords: Unpack[options.DenoiseCall]
    ) -> Iterator[Event[Given]]: ...
    @overload
    def stream(
        self, task: Literal["colorize"], image: Given, **keywords: Unpack[options.ColorizeCall]
    ) -> Iterator[Event[Given]]: ...
    @overload
    def stream(self, task: Literal["jpeg"], image: Given, **keywords: Unpack[options.Jpeg]) -> Iterator[Event[Given]]: ...
    @overload
    def stream(
        self, task: Literal["deblur"], image: Given, **keywords: Unpack[options.DeblurCall]
    ) -> Iterator[Event[Given]]: ...
    @overload
    def stream(self, task: Literal["auto"], image: Given, **keywords: Unpack[options.Auto]) -> Iterator[Event[Given]]: ...
    @overload
    def stream(self, task: Literal["edit"], image: Given, **keywords: Unpack[options.Edit]) -> Iterator[Event[Given]]: ...
    @overload
    def stream(self, task: Literal["run"], image: Given, **keywords: Unpack[options.Run]) -> Iterator[Event[Given]]: ...
    @overload
    def stream(self, task: Literal["degrade"], image: Given, **keywords: Unpack[options.Degrade]) -> Iterator[Event[Given]]: ...
    @overload
    def stream(self, task: BuiltIn, image: Any, **keywords: Any) -> Iterator[WrongOptions]: ...
    @overload
    def stream(self, task: str | Task, image: Given, **keywords: Any) -> Iterator[Event[Given]]: ...
    def stream(self, task: str | Task, image: Any, **keywords: Any) -> Any:
        """Runs a task on one picture; yields an event per transition, the last with the result. Leave the loop to cancel.

        Args:
            task: a task's name, or a task.
            image: a path, PIL picture, array (H, W[, C]) uint8, uint16 or float in [0, 1], tensor (C, H, W) or
                (1, C, H, W) in [0, 1], or a `Picture`.
            keywords: the task's own options (`restore schema TASK` lists them), and fields of `RunOptions` of scope "call":
                seed, steps, guidance, sampler, quality, samples, fidelity, name.

        Raises: UsageError, PictureError, OperatorError, PriorError, OutOfMemoryError.
        """
        return self._streamed(task, image, keywords)

    @overload
    def map(
        self, task: str | Task, pictures: Iterable[Given], *, errors: Literal["yield"], **keywords: Any
    ) -> Iterator[Result[Given] | RestoreError]: ...
    @overload
    def map(
        self, task: str | Task, pictures: Iterable[Given], *, errors: Literal["raise"] = ..., **keywords: Any
    ) -> Iterator[Result[Given]]: ...
    def map(
        self, task: str | Task, pictures: Iterable[Any], *, errors: Literal["raise", "yield"] = "raise", **keywords: Any
    ) -> Iterator[Any]:
        """Runs a task on many pictures, one result each; a tensor (B, C, H, W) is B pictures. Arguments as for `stream`.

        The noise of a picture depends on its index in the sequence.

        Args:
            errors: "raise" stops at a picture that fails; "yield" gives its RestoreError in place of a result and goes on.

        Raises: UsageError for pictures that are no sequence, or another value of `errors`.
        """
        if errors not in ("raise", "yield"):
            raise UsageError(f"errors: {errors!r} is neither 'raise' nor 'yield'")
        if isinstance(pictures, (str, bytes)) or not isinstance(pictures, Iterable | torch.Tensor):
            raise UsageError(f"pictures: {pictures!r} ({type(pictures).__name__}) is not a sequence of pictures")
        return self._mapped(task, pictures, errors, keywords)

    def _mapped(self, task: str | Task, pictures: Iterable[Any], errors: str, keywords: Mapping[str, Any]) -> Iterator[Any]:
        for index, picture in enumerate(pictures):
            try:
                yield last(self._streamed(task, picture, {"name": str(index), **keywords}))
            except (PictureError, OperatorError) as error:  # Of one picture; other errors are of all.
                if errors == "raise":
                    raise
                yield error
