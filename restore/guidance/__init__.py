"""Guidance: how a measurement enters the reverse process."""

from restore.guidance.blended_latents import BlendedLatents
from restore.guidance.conditioned import Conditioned
from restore.guidance.daps import DAPS
from restore.guidance.ddnm import DDNM
from restore.guidance.ddrm import DDRM
from restore.guidance.denoising import Denoising, DenoisingSamples
from restore.guidance.diffpir import DiffPIR
from restore.guidance.dps import DPS
from restore.guidance.guidance import Estimator, Guidance
from restore.guidance.latent_daps import LatentDAPS
from restore.guidance.latent_ddnm import LatentDDNM
from restore.guidance.latent_diffpir import LatentDiffPIR
from restore.guidance.latent_dps import LatentDPS
from restore.guidance.mmps import MMPS
from restore.guidance.pigdm import PiGDM
from restore.guidance.pnp import PnP
from restore.guidance.psld import PSLD
from restore.guidance.repaint import RePaint
from restore.guidance.resample import ReSample
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
    "PSLD",
    "TDS",
    "BlendedLatents",
    "Conditioned",
    "Denoising",
    "DenoisingSamples",
    "DiffPIR",
    "Estimator",
    "Guidance",
    "LatentDAPS",
    "LatentDDNM",
    "LatentDPS",
    "LatentDiffPIR",
    "PiGDM",
    "PnP",
    "RePaint",
    "ReSample",
    "SDEdit",
    "Unconditional",
    "Whitening",
    "nothing_measured",
]
