"""Priors: D(x, sigma) = E[x0 | x], whatever the family."""

from restore.priors.ddpm import DDPM
from restore.priors.edm import EDM
from restore.priors.flow import Flow
from restore.priors.gray import GrayOf
from restore.priors.ncsn import NCSN
from restore.priors.prior import Prior
from restore.priors.sde import VE, VP, SubVP
from restore.priors.tiled import Tiled
from restore.priors.turned import Averaged, Turned

__all__ = ["DDPM", "EDM", "NCSN", "VE", "VP", "Averaged", "Flow", "GrayOf", "Prior", "SubVP", "Tiled", "Turned"]
