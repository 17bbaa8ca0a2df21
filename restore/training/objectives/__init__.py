"""What a network is trained to minimise, one family a file.

Every family's loss is E w(sigma) |D(x0 + sigma z, sigma) - x0|^2 with levels and a weight of its own, because D is linear in
what each network predicts; only a learned variance needs more.
"""

from restore.training.objectives.ddpm import ChainObjective
from restore.training.objectives.edm import EDMObjective
from restore.training.objectives.flow import FlowObjective
from restore.training.objectives.hybrid import HybridObjective
from restore.training.objectives.ncsn import LevelsObjective
from restore.training.objectives.objective import Denoising, Objective
from restore.training.objectives.pnp_states import PnPStates
from restore.training.objectives.sde import SDEObjective

__all__ = [
    "ChainObjective",
    "Denoising",
    "EDMObjective",
    "FlowObjective",
    "HybridObjective",
    "LevelsObjective",
    "Objective",
    "PnPStates",
    "SDEObjective",
]
