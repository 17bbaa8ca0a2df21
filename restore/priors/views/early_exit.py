"""A prior watched for its answers to stop changing."""

from __future__ import annotations

from torch import Tensor

from restore.priors.prior import Prior
from restore.priors.views.self_ensemble import like_of

# Above this level, about the standard deviation of clean pictures, noise hides the picture: there the answer changes little
# because nothing is seen yet, not because all is known.
SEEN = 0.5


class Settling(Prior):
    """Another prior; remembers its last answer, to tell whether the next differs.

    It belongs to one run, and as `Tiled` learns what fits, it learns what was answered.

    Args:
        tolerance: what counts as no change, in units of [-1, 1] pictures.
        wanted: bool (1, 1, H, W), true where a change counts; everywhere if not given.
    """

    def __init__(self, prior: Prior, tolerance: float, wanted: Tensor | None = None) -> None:
        super().__init__()
        self.prior, self.tolerance, self.wanted = prior, tolerance, wanted
        like_of(self, prior)
        self.multiple_of = 1  # The prior pads for itself, so that its answers are as large as the picture.
        self._answer: Tensor | None = None
        self._before: Tensor | None = None
        self._level = 0.0

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        answer: Tensor = self.prior(x, sigma)
        self._answer = answer.detach()
        return answer

    def settled(self, sigma: Tensor) -> bool:
        """Asked once before each step, which begins at sigma: whether between the last two steps no wanted pixel of any
        picture changed by more than the tolerance. A climb begins anew, and above `SEEN` nothing is settled."""
        before, self._before = self._before, self._answer
        level, self._level = self._level, float(sigma)
        if before is None or self._before is None or self._level > min(level, SEEN):
            return False
        change = (self._before - before).abs()
        if self.wanted is not None:
            change = change * self.wanted
        return bool(change.max() <= self.tolerance)
