"""What the command keeps of a restored frame while it restores the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restore.images import Picture
    from restore.results.result import Result


@dataclass(frozen=True)
class Made:
    """One restored frame.

    Attributes:
        record, consistency: of its result.
        is_same: whether its samples are those of the input.
    """

    record: dict[str, Any]
    consistency: float
    is_same: bool

    @classmethod
    def of(cls, result: Result, given: Picture) -> Made:
        """What is kept of a result and the picture it was made of."""
        assert result.picture is not None
        same = result.picture.size == given.size
        if same:
            made, had = result.picture.samples(), given.samples()
            same = made.shape == had.shape and bool((made == had).all())
        return cls(result.record, result.consistency, same)
