"""Guidance: how a measurement enters the reverse process."""

from restore.guidance.ddnm import DDNM
from restore.guidance.denoising import Denoising
from restore.guidance.diffpir import DiffPIR
from restore.guidance.guidance import Estimator, Guidance
from restore.guidance.pigdm import PiGDM
from restore.guidance.pnp import PnP
from restore.guidance.repaint import RePaint

__all__ = ["DDNM", "Denoising", "DiffPIR", "Estimator", "Guidance", "PiGDM", "PnP", "RePaint"]
