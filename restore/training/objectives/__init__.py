"""Training objectives, one file per family.

The loss of every family is E w(sigma) |D(x0 + sigma z, sigma) - x0|^2, since D is affine in what each network predicts.
Families differ in the distribution of sigma and in w. Only a learned variance needs another loss (`HybridObjective`).
"""

from restore.training.objectives.codec import CodecObjective
from restore.training.objectives.ddpm import DDPMObjective
from restore.training.objectives.edm import EDMObjective
from restore.training.objectives.flow import FlowObjective
from restore.training.objectives.hybrid import HybridObjective
from restore.training.objectives.ncsn import NCSNObjective
from restore.training.objectives.objective import DenoisingObjective, Objective
from restore.training.objectives.pnp_states import TrajectoryPool
from restore.training.objectives.sde import SDEObjective

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
