"""Exemplars: a picture's own patches, with which its wide holes are filled."""

from restore.exemplars.choice import chosen_holes
from restore.exemplars.copies import SCALES
from restore.exemplars.cost import Cost
from restore.exemplars.filling import fill
from restore.exemplars.hole import Holes
from restore.exemplars.settings import Settings
from restore.exemplars.wide import wide_holes, widest

__all__ = ["SCALES", "Cost", "Holes", "Settings", "chosen_holes", "fill", "wide_holes", "widest"]
