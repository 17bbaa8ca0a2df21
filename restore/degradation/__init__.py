"""Degradations as text, such as "gray | blur:1.6 | downsample:2 | noise:5 | jpeg:60"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.degradation.degradation import Degradation, parse_operator
    from restore.degradation.stage import Stage, parse_stages

_HOMES = {
    "Degradation": "restore.degradation.degradation",
    "Stage": "restore.degradation.stage",
    "parse_operator": "restore.degradation.degradation",
    "parse_stages": "restore.degradation.stage",
}
__all__ = ["Degradation", "Stage", "parse_operator", "parse_stages"]

__getattr__ = lazily(__name__, _HOMES)
