"""Guidance: how a measurement enters the reverse process."""

from restore.guidance.daps import DAPS
from restore.guidance.ddnm import DDNM
from restore.guidance.ddrm import DDRM
from restore.guidance.denoising import Denoising, DenoisingSamples
from restore.guidance.diffpir import DiffPIR
from restore.guidance.dps import DPS
from restore.guidance.guidance import Estimator, Guidance
from restore.guidance.mmps import MMPS
from restore.guidance.pigdm import PiGDM
from restore.guidance.pnp import PnP
from restore.guidance.repaint import RePaint
from restore.guidance.sdedit import SDEdit
from restore.guidance.tds import TDS
from restore.guidance.unconditional import Unconditional, nothing_measured
from restore.guidance.whitening import Whitening

__all__ = [
    "DAPS",
    "DDNM",
    "DDRM",
    "DPS",
    "MMPS",
    "TDS",
    "Denoising",
    "DenoisingSamples",
    "DiffPIR",
    "Estimator",
    "Guidance",
    "PiGDM",
    "PnP",
    "RePaint",
    "SDEdit",
    "Unconditional",
    "Whitening",
    "nothing_measured",
]
