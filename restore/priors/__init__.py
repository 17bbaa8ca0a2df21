"""Priors: D(x, sigma) = E[x0 | x], whatever the family."""

from restore.priors.families.ddpm import DDPM
from restore.priors.families.edm import EDM
from restore.priors.families.flow import Flow
from restore.priors.families.ncsn import NCSN
from restore.priors.families.sde import VE, VP, SubVP
from restore.priors.prior import Prior
from restore.priors.views.gray import GrayView
from restore.priors.views.self_ensemble import GeometricSelfEnsemble, PeriodicalSelfEnsemble

__all__ = [
    "DDPM",
    "EDM",
    "NCSN",
    "VE",
    "VP",
    "Flow",
    "GeometricSelfEnsemble",
    "GrayView",
    "PeriodicalSelfEnsemble",
    "Prior",
    "SubVP",
]
