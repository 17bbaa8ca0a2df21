"""Model folders: `config.json`, `model.safetensors` and a model card, `README.md`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from restore.errors import PriorError, suggest
from restore.files import write_atomically
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
from restore.priors.prior import Prior

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
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


def build(config: dict[str, Any], *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior that a config describes, with untrained weights.

    Args:
        config: `family`, one of `FAMILIES`; `network`, a `type` of `NETWORKS` with that network's arguments; `prior`, the
            family's own arguments. For ddpm these include `schedule` and `steps`, or the `table` of alphas_cumprod itself.
        dtype: what the network computes in; None to choose by the hardware (see `NetworkPrior`).

    Raises: PriorError for an unknown family or network; TypeError or ValueError for arguments that they do not take.
    """
    family, network_config = config.get("family"), dict(config.get("network", {}))
    if family not in FAMILIES:
        raise PriorError(f"unknown family {family!r}; {suggest(str(family), FAMILIES)}")
    kind = network_config.pop("type", None)
    if kind not in NETWORKS:
        raise PriorError(f"unknown network {kind!r}; {suggest(str(kind), NETWORKS)}")
    network = NETWORKS[kind](**network_config)
    sizes = {"channels": network.channels, "multiple_of": network.multiple_of, "context": network.context}
    make, conditioning = FAMILIES[family]
    if network.conditioning == conditioning == "sigma":
        conditioned = network
    elif network.conditioning == "sigma":
        raise PriorError(f"network {kind!r} predicts the score; family {family!r} takes another prediction")
    elif conditioning == "sigma":
        conditioned = ScoreNetwork(with_conditioning(network, "c_noise"))
    else:
        conditioned = with_conditioning(network, conditioning)
    return make(conditioned, dtype=dtype, **sizes, **config.get("prior", {}))


def save(folder: Path, config: dict[str, Any], prior: Prior, card: str, *, dtype: torch.dtype = torch.float16) -> None:
    """Write a model folder; each file is replaced whole.

    Args:
        card: text of README.md.
        dtype: of the stored weights. float16 halves the file; its 11 significant bits cost no measurable quality.

    Raises: OSError if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().to("cpu", dtype).contiguous() for name, value in prior.state_dict().items()}
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path, metadata={"format": "pt"}))
    write_atomically(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    write_atomically(folder / CARD, card.encode())


def load(folder: Path, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior in a model folder, in evaluation mode.

    Raises: PriorError if a file is missing or damaged, or weights do not fit the config.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise PriorError(f"{folder}: no {name}; a model folder holds {CONFIG} and {WEIGHTS}")
    try:
        config = json.loads((folder / CONFIG).read_text())
        prior = build(config, dtype=dtype)
        prior.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
    except (ValueError, TypeError, AttributeError, RuntimeError, SafetensorError, OSError) as error:
        # Damaged files, unknown keys in the config, weights of another network.
        raise PriorError(f"{folder}: {CONFIG} and {WEIGHTS} cannot be read or do not fit: {_last_line(error)}") from None
    return channels_last(prior.eval().requires_grad_(False))


def channels_last(prior: Prior) -> Prior:
    """The prior in channels-last memory format: convolutions take a third less time, on CPUs and on tensor cores.

    Networks that are slower in it have an attribute `channels_last` that is False; these stay as they are.
    """
    if all(getattr(part, "channels_last", True) for part in prior.modules()):
        prior.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form.
    return prior


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
