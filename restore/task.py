"""The interface of tasks: from a picture and options to a measurement problem, and from its solution to a picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:  # Importing a task must not import torch: the command line lists tasks before it runs one.
    from torch import Tensor

    from restore.guidance.guidance import Guidance
    from restore.images import Picture
    from restore.problem import Problem
    from restore.results.result import Result


class Task(ABC):
    """A task of a plugin. The toolkit provides the rest: files, batches, tiling, samples, metadata.

    Attributes:
        name: the subcommand, lower case with hyphens.
        help: one line for `restore --help`.
        Options: a dataclass; its fields are the command line's flags, the API's keywords and the JSON schema. Each field has
            a default; `field(metadata={"help": ...})` explains it, `metadata={"picture": True}` marks a field that holds a
            picture (a path on the command line; a path, PIL picture, array or tensor in the API), `metadata={"prior": True}`
            one that holds another prior (a caller names it, or gives a `Prior`; the task gets a `Prior`),
            `metadata={"choices": [...]}` limits it, `metadata={"min": ..., "max": ...}` bounds it.
            `metadata={"own_method": True}`, or values in place of True, says that only the method of `guidance` knows what the
            option asks for: where another method is chosen, it is refused.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    Options: ClassVar[type]

    @abstractmethod
    def problem(self, picture: Picture, options: Any) -> Problem:
        """The measurement problem of one picture.

        Args:
            picture: as read; `picture.pixels` is (1, C, H, W) in [-1, 1], C = 1 or 3.
            options: an instance of `Options`.
        """

    def guidance(self, problem: Problem, options: Any) -> Guidance | None:
        """The task's own default method for a problem, or None for the toolkit's."""
        return None

    def found(self, problem: Problem, options: Any, result: Result) -> dict[str, Any]:
        """What the task measured in the picture or its result, for the record: names, and values that JSON has. Options that
        are `auto` have their values here.

        Args:
            problem: what `problem` returned.
            options: an instance of `Options`.
            result: the solution `x`, its samples and statistics, before `finish`.
        """
        return {}

    def finish(self, picture: Picture, problem: Problem, restored: Tensor, options: Any) -> Picture:
        """The picture to write. A task that knows some pixels exactly puts them back here, bit for bit.

        Args:
            picture: as read.
            problem: what `problem` returned.
            restored: (1, C, H, W) in [-1, 1], the solution.
            options: an instance of `Options`.
        """
        return picture.with_pixels(restored)
