"""What a measurement shows of pictures like the one wanted, cut into crops to learn from and crops to be tested on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from numpy.random import Generator as Dice
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.errors import UsageError
from restore.noise.model import smoothed
from restore.noise.rounding import ROUNDED
from restore.operators import Identity, Mask
from restore.operators.operator import Operator
from restore.problem import Problem
from restore.wording import called

SIDES = (96, 64, 48, 32)  # Of crops, in pixels: the largest is taken of which the picture has enough.
TESTS = 4  # Crops that are tested and not learnt from; at least half as many.
CLIPPED = 2.0  # Standard deviations from the ends of the range within which noise is cut off.
KNOWN = 0.7  # Least share of a crop that is known.
SPLIT = 0.5  # What noise is added to a noisy picture that is tested, over what it has.
SCALES = (1.0, 0.7, 0.5)


@dataclass(frozen=True)
class Crops:
    """(B, C, side, side) in [-1, 1], noisy if the picture is, and what of them is known, bool (B, 1, side, side); the rest is a
    smooth fill."""

    clean: Tensor
    known: Tensor


@dataclass(frozen=True)
class Material:
    """Crops of what a measurement shows, and the damage to do to them.

    Attributes:
        pictures: what is shown, and reduced copies of it, each one picture.
        corners: for each of them (n, 2), the upper left corners of crops to learn from; they share no pixel with `tests`.
        tests: crops held out.
        side: of a crop in pixels.
        problem: whose damage is done to them.
    """

    pictures: tuple[Crops, ...]
    corners: tuple[Tensor, ...]
    tests: tuple[Crops, ...]
    side: int
    problem: Problem

    def crops(self, count: int, dice: Dice) -> Crops:
        """Crops of random pictures, turned and mirrored at random."""
        found = []
        for _ in range(count):
            index = int(dice.integers(len(self.pictures)))
            corner = self.corners[index][int(dice.integers(len(self.corners[index])))]
            quarters, mirrored = int(dice.integers(4)), dice.random() < 0.5
            crop = _cut(self.pictures[index], corner, self.side)
            parts = (part.rot90(quarters, (-2, -1)) for part in (crop.clean, crop.known))
            found.append(tuple(part.flip(-1) if mirrored else part for part in parts))
        clean, known = zip(*found, strict=True)
        return Crops(torch.cat(clean), torch.cat(known))

    def operator(self, known: Tensor, dice: Dice) -> Operator:
        """An operator of the problem's kind for a crop; for a mask, what it misses in another place is missing here, too.

        Args:
            known: bool (1, 1, side, side), of the crop.
        """
        operator = self.problem.operator
        if isinstance(operator, Mask):
            return Mask(known & _part_with_holes(operator.keep.all(dim=1, keepdim=True), known, dice))
        found = operator.resized((self.side, self.side))
        assert found is not None  # `material` has looked.
        return found

    @property
    def denoises(self) -> bool:
        """Whether the problem is to take noise out of pixels that are all known."""
        return self.problem.sigma_y > ROUNDED and isinstance(self.problem.operator, Identity)

    def split(self, noisy: Tensor, share: Tensor | float, generator: Generator) -> tuple[Tensor, Tensor]:
        """Two pictures y + a n and y - n / a of a noisy one, n noise of the same law, whose errors are independent.

        So what denoises the first best, at a level of (1 + a^2)^0.5 times its own, is nearest to the second, in the mean and up
        to a constant, too (Pang et al. 2021, "Recorrupted-to-recorrupted", 2102.02234, for white noise).

        Args:
            noisy: (B, C, H, W).
            share: a, a number or (B, 1, 1, 1).
        """
        white = torch.randn(noisy.shape, generator=generator).to(noisy)
        law = self.problem.noise
        drawn = self.problem.sigma_y * white if law is None else law.draw(noisy, white)
        return noisy + share * drawn, noisy - drawn / share

    def posed(self, test: Crops, dice: Dice) -> tuple[Problem, Crops]:
        """The problem of restoring a crop that was damaged as the picture was, and what its answer is to be near."""
        operator = self.operator(test.known, dice)
        y, sigma_y, law = operator(test.clean), self.problem.sigma_y, self.problem.noise
        if self.denoises:
            more = (1 + SPLIT**2) ** 0.5
            y, clean = self.split(y, SPLIT, Generator().manual_seed(int(dice.integers(2**62))))
            sigma_y, law, test = more * sigma_y, None if law is None else law.scaled(more), Crops(clean, test.known)
        posed = replace(
            self.problem,
            y=y,
            operator=operator,
            sigma_y=sigma_y,
            shape=tuple(test.clean.shape),
            noise=law if y.shape == test.clean.shape else None,
            start=None,
            constraint=None,
            clipped=False,
        )
        return posed, test


def material(problem: Problem) -> Material:
    """What there is to learn from.

    Raises: UsageError where the measurement shows no pixels of a picture as they are, or too few that lie together.
    """
    operator = problem.operator
    shown = operator.shown(problem.y)
    same = problem.y.shape == problem.shape
    # A small picture that is noisy, or was a JPEG, shows what the large one is not to be.
    unlike = problem.constraint is not None if same else problem.sigma_y > ROUNDED
    if shown is None or unlike or not (isinstance(operator, Mask) or operator.resized((64, 64)) is not None):
        raise UsageError(
            f"{called('adapt')}: there is nothing to learn from; a prior learns from the pixels around holes, from a "
            "clean picture to be enlarged, and from one with noise"
        )
    known = shown[1][:1]
    filled = operator.initial_estimate(problem.y) if isinstance(operator, Mask) else shown[0]
    whole = Crops(filled[:1].float().cpu(), known.cpu())
    if problem.clipped:
        # Noise that was cut off at the ends of the range is no longer of mean zero, and would be learnt.
        room = 1 - smoothed(whole.clean).abs().amax(dim=1, keepdim=True)
        whole = replace(whole, known=whole.known & (room > CLIPPED * problem.sigma_y))
    for side in SIDES:
        tests = _held_out(_corners(whole.known, side), side)
        if len(tests) < TESTS // 2:
            continue
        held = torch.zeros_like(whole.known)
        for corner in tests:
            _cut(Crops(held, held), corner, side).known.fill_(True)
        pictures, corners = [], []
        for scale in SCALES:
            smaller = _reduced(whole, scale) if scale < 1 else whole
            size = (smaller.known.shape[-2], smaller.known.shape[-1])
            found = _corners(smaller.known, side, F.interpolate(held.float(), size=size, mode="area") > 0)
            if len(found):
                pictures.append(smaller)
                corners.append(found)
        if pictures:
            return Material(tuple(pictures), tuple(corners), tuple(_cut(whole, at, side) for at in tests), side, problem)
    why = "; noise that was cut off at white or black shows nothing" if problem.clipped else ""
    raise UsageError(
        f"{called('adapt')}: the picture shows too little to learn from: no three areas of {SIDES[-1]}x{SIDES[-1]} pixels that "
        f"are known to {KNOWN:.0%}{why}"
    )


def is_answered(problem: Problem) -> bool:
    """Whether the measurement is the picture: nothing is missing, noisy or rounded."""
    missing = problem.operator.missing_mask(problem.shape)
    whole = isinstance(problem.operator, Identity) or (missing is not None and not bool(missing.any()))
    return whole and problem.sigma_y == 0 and problem.constraint is None


def _cut(picture: Crops, corner: Tensor, side: int) -> Crops:
    top, left = corner.tolist()
    window = (..., slice(top, top + side), slice(left, left + side))
    return Crops(picture.clean[window], picture.known[window])


def _corners(known: Tensor, side: int, held: Tensor | None = None) -> Tensor:
    """(n, 2): upper left corners of crops that are known well enough, and of which nothing is held out."""
    if min(known.shape[-2:]) < side:
        return torch.zeros(0, 2, dtype=torch.int64)
    enough = F.avg_pool2d(known.float(), side, stride=1)[0, 0] >= KNOWN
    if held is not None:
        enough &= F.max_pool2d(held.float(), side, stride=1)[0, 0] == 0
    return enough.nonzero()


def _held_out(corners: Tensor, side: int) -> list[Tensor]:
    """Of crops that share no pixel, those far from each other: each is the farthest from those before."""
    if len(corners) == 0:
        return []
    centre = corners.double().mean(dim=0)
    found = [corners[(corners - centre / 2).abs().sum(dim=1).argmin()]]
    while len(found) < TESTS:
        away = torch.stack([(corners - one).abs().amax(dim=1) for one in found]).amin(dim=0)
        if int(away.max()) < side:
            break
        found.append(corners[away.argmax()])
    return found


def _reduced(picture: Crops, scale: float) -> Crops:
    """A smaller copy; known is what is the mean of known pixels alone."""
    size = tuple(max(1, round(scale * side)) for side in picture.known.shape[-2:])
    share = F.interpolate(picture.known.float(), size=size, mode="area")
    return Crops(F.interpolate(picture.clean, size=size, mode="area"), share > 1 - 1e-4)


def _part_with_holes(keep: Tensor, known: Tensor, dice: Dice) -> Tensor:
    """A square of a mask with a random missing pixel where a random known one of the crop is.

    Args:
        keep: bool (1, 1, H, W).
        known: bool (1, 1, side, side); not all false.
    """
    side = known.shape[-1]
    padded = F.pad(keep.float(), (side,) * 4, value=1.0) > 0
    missing, seen = (~keep[0, 0]).nonzero(), known[0, 0].nonzero()
    if len(missing) == 0:
        return torch.ones_like(known)
    hole, place = missing[int(dice.integers(len(missing)))], seen[int(dice.integers(len(seen)))]
    return _cut(Crops(padded, padded), hole - place + side, side).known
