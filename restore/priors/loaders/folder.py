"""Model folders: `config.json`, `model.safetensors` and a card, as diffusers lays them out."""

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
from restore.networks.adm import ADM
from restore.networks.diffusers import DiffusersUNet
from restore.networks.noise_conditioning import Score, told
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
    network: nn.Module, *, schedule: Schedule = "linear", steps: int = 1000, table: list[float] | None = None, **words: Any
) -> DDPM:
    abar = alphas_cumprod(schedule, steps) if table is None else torch.tensor(table, dtype=torch.float64)
    return DDPM(network, abar, **words)


# What makes a prior of each family, and how that family tells its network the noise. "score" is by sigma itself, which networks
# made for it hear; others are made into one.
FAMILIES: dict[str, tuple[Callable[..., Prior], str]] = {
    "ddpm": (_ddpm, "time"),
    "edm": (EDM, "level"),
    "flow": (Flow, "time"),
    "ncsn": (NCSN, "score"),
    "subvp": (SubVP, "time"),
    "ve": (VE, "score"),
    "vp": (VP, "time"),
}


def build(config: dict[str, Any], *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """The prior a config describes, with untrained weights.

    `family` is one of `FAMILIES`, `network` has a `type` of `NETWORKS` and that network's arguments, `prior` holds the family's
    own settings (for ddpm the `schedule` and number of `steps` of its table among them, or the `table` of abar itself).

    Raises: PriorError for a family or network this version does not know.
    """
    family, network_config = config.get("family"), dict(config.get("network", {}))
    if family not in FAMILIES:
        raise PriorError(f"unknown family {family!r}; {suggest(str(family), FAMILIES)}")
    kind = network_config.pop("type", None)
    if kind not in NETWORKS:
        raise PriorError(f"unknown network {kind!r}; {suggest(str(kind), NETWORKS)}")
    network = NETWORKS[kind](**network_config)
    sizes = {"channels": network.channels, "multiple_of": network.multiple_of, "context": network.context}
    make, how = FAMILIES[family]
    if network.hears == "sigma" and how != "score":
        raise PriorError(f"network {kind!r} answers a score, which family {family!r} has no use for")
    scores = network if network.hears == "sigma" else Score(told(network, "level"))
    asked = scores if how == "score" else told(network, how)
    return make(asked, dtype=dtype, **sizes, **config.get("prior", {}))


def save(folder: Path, config: dict[str, Any], prior: Prior, card: str, *, dtype: torch.dtype = torch.float16) -> None:
    """Writes a model folder; half precision halves it and costs nothing measurable (11 bits of mantissa)."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().to("cpu", dtype).contiguous() for name, value in prior.state_dict().items()}
    partial = folder / f".{WEIGHTS}.part"
    save_file(weights, partial, metadata={"format": "pt"})
    partial.replace(folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    (folder / CARD).write_text(card)


def load(folder: Path, *, dtype: torch.dtype | None = torch.float32) -> Prior:
    """Reads a model folder, ready to use.

    Raises: PriorError if a part is missing or does not fit.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise PriorError(f"{folder}: no {name}; a model folder holds {CONFIG} and {WEIGHTS}")
    try:
        config = json.loads((folder / CONFIG).read_text())
        prior = build(config, dtype=dtype)
        prior.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
    except (ValueError, TypeError, AttributeError, RuntimeError, SafetensorError, OSError) as error:
        # Whatever is wrong in a folder shows here: broken files, unknown keys, weights of another network.
        raise PriorError(f"{folder}: {CONFIG} and {WEIGHTS} cannot be read or do not fit: {_last_line(error)}") from None
    return channels_last(prior.eval().requires_grad_(False))


def channels_last(prior: Prior) -> Prior:
    """The prior with convolutions laid out as CPUs and tensor cores want them; a third faster, same values.

    Networks for which it does not pay say so and stay as they are.
    """
    if all(getattr(part, "channels_last", True) for part in prior.modules()):
        prior.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form.
    return prior


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
