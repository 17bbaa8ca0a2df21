"""What methods for priors on latents share: the operator is `Decoded`, with an operator on pictures inside."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from restore.errors import OperatorError
from restore.guidance.guidance import Guidance
from restore.operators.operator import Operator
from restore.priors.latent.decoded import Decoded
from restore.problem import Problem


class OnLatents(Guidance[Decoded]):
    """A method for latents.

    Attributes:
        inside: the class of operator on pictures that it works with.
    """

    needs: ClassVar[type] = Decoded
    inside: ClassVar[type] = Operator

    def uses(self, operator: Operator) -> bool:
        return isinstance(operator, Decoded) and isinstance(operator.inside, self.inside)

    def check_operator(self, problem: Problem[Decoded]) -> None:
        operator: Operator = problem.operator
        name = type(self).__name__
        if not isinstance(operator, Decoded):
            raise OperatorError(f"{name} needs a prior on latents; this one works on pixels")
        if not self.uses(operator):
            raise OperatorError(
                f"{name} needs a {self.inside.__name__} operator on the decoded picture, got {type(operator.inside).__name__}"
            )


def in_pixels(problem: Problem[Decoded]) -> Problem:
    """The problem of the decoded picture, with the same measurement."""
    posed: Problem = problem
    return replace(posed, operator=problem.operator.inside, start=None)
