"""Measurement operators: y = A(x)."""

from restore.operators.gray import Gray
from restore.operators.gray_with_hints import GrayWithHints
from restore.operators.identity import Identity
from restore.operators.mask import Mask
from restore.operators.operator import Linear, Operator, Spectral
from restore.operators.resample import Downsample, Separable

__all__ = ["Downsample", "Gray", "GrayWithHints", "Identity", "Linear", "Mask", "Operator", "Separable", "Spectral"]
