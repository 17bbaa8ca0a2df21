"""Training objectives, one file per family.

The loss of every family is E w(sigma) |D(x0 + sigma z, sigma) - x0|^2, since D is affine in what each network predicts.
Families differ in the distribution of sigma and in w. Only a learned variance needs another loss (`HybridObjective`).
"""

from restore.objectives.codec import CodecObjective
from restore.objectives.ddpm import DDPMObjective
from restore.objectives.edm import EDMObjective
from restore.objectives.flow import FlowObjective
from restore.objectives.hybrid import HybridObjective
from restore.objectives.ncsn import NCSNObjective
from restore.objectives.objective import DenoisingObjective, Objective
from restore.objectives.pnp_states import TrajectoryPool
from restore.objectives.sde import SDEObjective

__all__ = [
    "CodecObjective",
    "DDPMObjective",
    "DenoisingObjective",
    "EDMObjective",
    "FlowObjective",
    "HybridObjective",
    "NCSNObjective",
    "Objective",
    "SDEObjective",
    "TrajectoryPool",
]
