"""Measurement operators: y = A(x)."""

from restore.operators.blur import Blur
from restore.operators.clip import Clip
from restore.operators.compose import Compose, ComposeLinear
from restore.operators.dense import Dense
from restore.operators.gray import Gray
from restore.operators.gray_with_hints import GrayWithHints
from restore.operators.identity import Identity
from restore.operators.iterative import Iterative, LinearFunction
from restore.operators.jpeg import JPEG
from restore.operators.mask import Mask
from restore.operators.open_blur import OpenBlur
from restore.operators.operator import Linear, Operator, Spectral
from restore.operators.resample import Downsample, Separable

__all__ = [
    "JPEG",
    "Blur",
    "Clip",
    "Compose",
    "ComposeLinear",
    "Dense",
    "Downsample",
    "Gray",
    "GrayWithHints",
    "Identity",
    "Iterative",
    "Linear",
    "LinearFunction",
    "Mask",
    "OpenBlur",
    "Operator",
    "Separable",
    "Spectral",
]
