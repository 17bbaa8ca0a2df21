"""What is wrong with a picture: noise, compression, blur, tones, scratches and dust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.lazy import lazily

if TYPE_CHECKING:
    from restore.diagnosis.examination import Diagnosis, diagnose
    from restore.diagnosis.scratches import find_scratches

_HOMES = {
    "Diagnosis": "restore.diagnosis.examination",
    "diagnose": "restore.diagnosis.examination",
    "find_scratches": "restore.diagnosis.scratches",
}
__all__ = ["Diagnosis", "diagnose", "find_scratches"]

__getattr__ = lazily(__name__, _HOMES)
