"""How wide holes are filled with patches."""

from __future__ import annotations

from dataclasses import dataclass, field

from restore.exemplars.copies import SCALES
from restore.exemplars.search import RandomSearch


@dataclass(frozen=True)
class Settings:
    """How holes are filled.

    Attributes:
        radius: of patches in pixels.
        rounds: of search and votes at each size, the coarsest first; the last number holds for all finer ones.
        rim: the base of the weights by distance to the rim.
        all_of: pairs of patches up to which all are compared; beyond, the search is by chance.
        jitter: how much of the typical distance of patches is added to them at random at the coarsest sizes, for answers
            that differ.
        texture: weight of texture beside colour where patches are compared; see `with_texture`.
        mirrored: whether the picture mirrored left to right lends patches, too; see `copies`.
        scales: sizes at which the picture lends patches beside its own; see `copies`.
    """

    radius: int = 2
    rounds: tuple[int, ...] = (20, 12, 6, 4, 2)
    rim: float = 1.5
    all_of: int = 1_000_000
    jitter: float = 0.0
    texture: float = 4.0
    mirrored: bool = False
    scales: tuple[float, ...] = SCALES
    search: RandomSearch = field(default_factory=RandomSearch)

    def rounds_at(self, index: int) -> int:
        """Rounds at a size, counted from the coarsest."""
        return self.rounds[min(index, len(self.rounds) - 1)]

    def compares_all(self, targets: int, sources: int, index: int) -> bool:
        return index == 0 or targets * sources <= self.all_of
