"""Conditions made of class labels."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from restore.errors import UsageError, suggest
from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.problem import Problem
from restore.wording import called


class Labels(Conditioner):
    """A class, by number or by one of its names.

    Args:
        count: of classes, numbered from 0.
        nothing: the number that stands for no class; None for a network that must be told one.
        scale: of classifier-free guidance, where a class is given and there is a number for none.
        names: name -> number.
    """

    def __init__(
        self, count: int, *, nothing: int | None = None, scale: float = 1.0, names: Mapping[str, int] | None = None
    ) -> None:
        self.count, self.nothing, self.scale, self.names = count, nothing, scale, dict(names or {})

    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        asked.only("label", *(() if self.nothing is None else ("guidance_scale",)))
        if asked.label is None:
            if self.nothing is None:
                raise UsageError(
                    f"this prior is of {self.count} classes and must be told one: {called('label')}, 0 to {self.count - 1}"
                )
            return Condition(given=_labelled(self.nothing, device))
        given = _labelled(self._number(asked.label), device)
        if self.nothing is None:
            return Condition(given=given)
        scale = self.scale if asked.guidance_scale is None else asked.guidance_scale
        return (
            Condition(given=given, nothing=_labelled(self.nothing, device), scale=scale)
            if scale > 1
            else Condition(given=given)
        )

    def _number(self, label: str) -> int:
        if label.strip().lower() in self.names:
            return self.names[label.strip().lower()]
        if label.isdecimal() and len(label) < 10:
            number = int(label)
            if number >= self.count:
                raise UsageError(f"{called('label', label)}: this prior has classes 0 to {self.count - 1}")
            return number
        # Of a thousand names only near ones are told.
        near = suggest(label.strip().lower(), self.names)
        known = (
            near
            if near.startswith("did you mean")
            else f"classes are numbers, 0 to {self.count - 1}{', or names' if self.names else ''}"
        )
        raise UsageError(f"{called('label', label)}: no such class; {known}")


def _labelled(number: int, device: torch.device) -> dict[str, torch.Tensor]:
    return {"class_labels": torch.tensor([number], device=device)}
