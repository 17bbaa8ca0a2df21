"""From a model config to a prior with untrained weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from restore.device.memory import is_lack_of_memory
from restore.errors import PriorError
from restore.networks.adm import ADM
from restore.networks.diffusers import DiffusersUNet
from restore.networks.noise_conditioning import ScoreNetwork, with_conditioning
from restore.networks.residual_unet import ResidualUNet
from restore.networks.unet2d import UNet2D
from restore.priors.families.ddpm import DDPM
from restore.priors.families.edm import EDM
from restore.priors.families.flow import Flow
from restore.priors.families.ncsn import NCSN
from restore.priors.families.sde import VE, VP, SubVP
from restore.priors.families.tables import Schedule, alphas_cumprod
from restore.priors.loaders import schema
from restore.priors.prior import Prior

NETWORKS: dict[str, Callable[..., Any]] = {
    "adm": ADM,
    "diffusers": DiffusersUNet,
    "residual-unet": ResidualUNet,
    "unet2d": UNet2D,
}


def _ddpm(
    network: nn.Module, *, schedule: Schedule = "linear", steps: int = 1000, table: list[float] | None = None, **settings: Any
) -> DDPM:
    abar = alphas_cumprod(schedule, steps) if table is None else torch.tensor(table, dtype=torch.float64)
    return DDPM(network, abar, **settings)


# The constructor of each family, and the noise conditioning of the network it calls (see networks/noise_conditioning.py).
# "sigma" takes a network that returns the score; other networks are wrapped as one.
FAMILIES: dict[str, tuple[Callable[..., Prior], str]] = {
    "ddpm": (_ddpm, "timestep"),
    "edm": (EDM, "c_noise"),
    "flow": (Flow, "timestep"),
    "ncsn": (NCSN, "sigma"),
    "subvp": (SubVP, "timestep"),
    "ve": (VE, "sigma"),
    "vp": (VP, "timestep"),
}


def build(config: dict[str, Any], *, dtype: torch.dtype | None = torch.float32, source: str = "model config") -> Prior:
    """The prior that a config describes, with untrained weights.

    Args:
        config: `family`, one of `FAMILIES`; `network`, a `type` of `NETWORKS` with that network's arguments; `prior`, the
            family's own arguments. For ddpm these include `schedule` and `steps`, or the `table` of alphas_cumprod itself.
            `size`: the side of pictures that `restore sample` draws.
        dtype: what the network computes in; None to choose by the hardware (see `NetworkPrior`).
        source: where the config is from, for errors.

    Raises: PriorError, in one line, for a config that the schema does not allow or that describes no network.
    """
    schema.check(config, source)
    network, sizes = build_network(config, source)
    prior = FAMILIES[config["family"]][0](network, dtype=dtype, **sizes, **config.get("prior", {}))
    start = prior.sigma_max if prior.sigma_start is None else prior.sigma_start
    if not (0 < prior.sigma_min < prior.sigma_max < math.inf and prior.sigma_min < start <= prior.sigma_max):
        raise PriorError(
            f"{source}: noise levels must be in order, sigma_min < sigma_start <= sigma_max, "
            f"got {prior.sigma_min:g}, {start:g}, {prior.sigma_max:g}"
        )
    return prior


def build_network(config: Mapping[str, Any], source: str) -> tuple[nn.Module, dict[str, int]]:
    """The network of a config that was checked, conditioned as its family needs, and the sizes for the family's constructor.

    Raises: PriorError if its arguments describe no network, such as groups that do not divide a width.
    """
    arguments = dict(config["network"])
    kind, family = arguments.pop("type"), config["family"]
    try:
        network = NETWORKS[kind](**arguments)
    except PriorError as error:
        raise PriorError(f"{source}: {error}") from None
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, RuntimeError, AssertionError) as error:
        # diffusers raises any of these for block types and groups that do not go together.
        if is_lack_of_memory(error):
            raise
        raise PriorError(f"{source}: its network cannot be built: {last_line(error)}") from error
    sizes = {"channels": network.channels, "multiple_of": network.multiple_of, "context": network.context}
    conditioning = FAMILIES[family][1]
    if network.conditioning == conditioning == "sigma":
        return network, sizes
    if network.conditioning == "sigma":
        raise PriorError(f"{source}: network {kind!r} predicts the score; family {family!r} takes another prediction")
    if conditioning == "sigma":
        return ScoreNetwork(with_conditioning(network, "c_noise")), sizes
    return with_conditioning(network, conditioning), sizes


def last_line(error: BaseException) -> str:
    """What an error of a library says, in one short line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines[-1].split())[:200]
