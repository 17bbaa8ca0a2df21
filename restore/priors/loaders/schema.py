"""The schema of a model config: types and ranges of all fields, and what they must be together.

It is checked before anything is built. Bounds lie well beyond what published models use. They keep the cost of building a
network finite, and every noise level a normal number in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, get_args

from restore.errors import PriorError, suggest
from restore.priors.families.ddpm import Prediction, Variance
from restore.priors.families.tables import Schedule
from restore.priors.loaders.diffusers_schema import UNET, check_unet
from restore.priors.loaders.fields import (
    Choice,
    Either,
    Flag,
    Kind,
    Listed,
    Number,
    Object,
    Text,
    Whole,
    check_fields,
    optional,
    shown,
)

LEVELS, LATENTS = 10, 64  # Resolutions of a network, and channels of latents.
WIDTH, BLOCKS, PATCH = Whole(1, 2**16), Whole(1, 256), Whole(1, 16)
CHANNELS = Choice((1, 3))
WIDTHS = Listed(WIDTH, 1, LEVELS)
ATTENTION = Listed(Whole(0, LEVELS - 1), 0, LEVELS)

NETWORK_FIELDS: dict[str, dict[str, Kind]] = {
    "adm": {
        "channels": CHANNELS,
        "widths": WIDTHS,
        "time_width": WIDTH,
        "blocks": BLOCKS,
        "attention": ATTENTION,
        "head_channels": WIDTH,
        "heads": optional(WIDTH),
        "resample_blocks": Flag(),
        "scale_shift": Flag(),
        "learned_variance": Flag(),
        "classes": optional(WIDTH),
    },
    "diffusers": {"config": Object(), "scores": Flag()},
    "residual-unet": {
        "channels": CHANNELS,
        "widths": WIDTHS,
        "blocks": Either((BLOCKS, Listed(BLOCKS, 1, LEVELS))),
        "patch": PATCH,
        "constants": Flag(),
        "out_channels": optional(Whole(1, 2 * LATENTS)),
        "classes": optional(WIDTH),
        "cascade": Flag(),
    },
    "unet2d": {
        "channels": CHANNELS,
        "widths": WIDTHS,
        "blocks": BLOCKS,
        "attention": ATTENTION,
        "patch": PATCH,
        "out_channels": optional(Whole(1, 2 * LATENTS)),
        "classes": optional(WIDTH),
    },
}

SIGMA_MIN, SIGMA_MAX, BETA = Number(1e-6, 1e3), Number(1e-3, 1e7), Number(1e-6, 100)
START = {"sigma_start": optional(Number(1e-6, 1e7))}
RANGE = {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, **START}
DIFFUSION = {
    "beta_min": BETA,
    "beta_max": BETA,
    "sigma_min": optional(SIGMA_MIN),
    "sigma_max": optional(SIGMA_MAX),
    **START,
}
FAMILY_FIELDS: dict[str, dict[str, Kind]] = {
    "ddpm": {
        "schedule": Choice(get_args(Schedule)),
        "steps": Whole(21, 10**5),
        "table": optional(Listed(Number(1e-14, 1), 2, 10**5)),
        "prediction": Choice(get_args(Prediction)),
        "variance": Choice(get_args(Variance)),
        "clip": optional(Number(1e-3, 1e3)),
        **START,
    },
    "edm": {"sigma_data": Number(1e-3, 1e3), **RANGE},
    "flow": RANGE,
    "ncsn": {"count": Whole(2, 10**5), **RANGE},
    "subvp": DIFFUSION,
    "ve": RANGE,
    "vp": DIFFUSION,
}
TOP: dict[str, Kind] = {
    "family": Text(),
    "network": Object(),
    "prior": Object(),
    "size": optional(Whole(1, 2**16)),
    "codec": Object(),
    "classes": Object(),
}
CODEC: dict[str, Kind] = {
    "scale": Listed(Number(1e-6, 1e6), 1, LATENTS),
    "shift": Listed(Number(-1e6, 1e6), 1, LATENTS),
}
CLASSES: dict[str, Kind] = {"names": Listed(Text(), 1, 2**16 - 1), "nothing": Flag(), "scale": Number(0, 100)}


def check(config: Any, source: str) -> None:
    """Check a model config; see `build` for its fields.

    Args:
        source: the file it is from, for errors.

    Raises: PriorError, in one line that names the field, for a wrong type, a value out of range, an unknown or missing field,
    or values that contradict each other.
    """
    if isinstance(config, Mapping):  # Said first, because all other fields depend on it.
        _known(config.get("family"), FAMILY_FIELDS, "family", source)
    given = check_fields(config, TOP, source, required=("family", "network"))
    family, network = given["family"], dict(given["network"])
    kind = network.pop("type", None)
    _known(kind, NETWORK_FIELDS, "network", source)
    fields = NETWORK_FIELDS[kind]
    check_fields(network, {**fields, "channels": Whole(1, LATENTS)} if "codec" in given else fields, f"{source}: network")
    prior = check_fields(given.get("prior", {}), FAMILY_FIELDS[family], f"{source}: prior")
    _check_network(kind, network, f"{source}: network")
    _check_outputs(family, kind, network, f"{source}: network")
    _check_table(prior, f"{source}: prior")
    _check_parts(given, {**network, "type": kind}, source)


def block_count(network: Mapping[str, Any]) -> int:
    """The least number of residual blocks of a network whose config was checked; each has several tensors."""
    inner = network["config"] if network["type"] == "diffusers" else network
    blocks = inner.get("layers_per_block" if network["type"] == "diffusers" else "blocks", 1)
    widths = inner.get("block_out_channels" if network["type"] == "diffusers" else "widths", (1,))
    return sum(blocks) if isinstance(blocks, list | tuple) else int(blocks) * len(widths)


def _known(name: Any, known: Mapping[str, Any], what: str, source: str) -> None:
    if not isinstance(name, str) or name not in known:
        raise PriorError(f"{source}: unknown {what} {shown(name)}; {suggest(str(name)[:100], known)}")


def _check_network(kind: str, network: Mapping[str, Any], where: str) -> None:
    levels = len(network.get("widths", (1, 2, 3)))
    if kind == "diffusers":
        if "config" not in network:
            raise PriorError(f"{where} has no config")
        check_unet(check_fields(network["config"], UNET, f"{where}: config"), f"{where}: config")
    blocks = network.get("blocks")
    if isinstance(blocks, list | tuple) and len(blocks) != levels:
        raise PriorError(f"{where}: blocks gives {len(blocks)} counts for {levels} levels")
    if kind == "unet2d" and any(width % 8 for width in network.get("widths", ())):
        raise PriorError(f"{where}: widths must be multiples of 8, got {shown(network['widths'])}")
    if any(level >= levels for level in network.get("attention", ())) and "widths" in network:
        raise PriorError(f"{where}: attention names a level beyond the last of {levels}: {shown(network['attention'])}")


def _check_outputs(family: str, kind: str, network: Mapping[str, Any], where: str) -> None:
    """A network returns as many channels as a picture has; twice as many for a learned variance, which ddpm alone has."""
    inner = network["config"] if kind == "diffusers" else network
    channels = inner.get("in_channels" if kind == "diffusers" else "channels", 3)
    if kind == "adm":
        outputs = 2 * channels if network.get("learned_variance", True) else channels
    else:
        outputs = inner.get("out_channels", 3 if kind == "diffusers" else None) or channels
    if outputs not in ((channels, 2 * channels) if family == "ddpm" else (channels,)):
        raise PriorError(f"{where}: {outputs} output channels do not fit pictures of {channels} channels and family {family}")


def _check_parts(given: Mapping[str, Any], network: Mapping[str, Any], source: str) -> None:
    """What a codec and classes must be together with the network."""
    codec = check_fields(given.get("codec", {}), CODEC, f"{source}: codec", required=CODEC if "codec" in given else ())
    for name, values in codec.items():
        if len(values) != network.get("channels", 3):
            raise PriorError(
                f"{source}: codec: {name} has {len(values)} values, the network {network.get('channels', 3)} channels"
            )
    told = check_fields(given.get("classes", {}), CLASSES, f"{source}: classes", required=CLASSES if "classes" in given else ())
    counts = len(told.get("names", ())) + told.get("nothing", False), network.get("classes") or 0
    if network["type"] != "adm" and counts[0] != counts[1]:
        raise PriorError(f"{source}: network: classes must be {counts[0]}, as many as the config names, got {counts[1]}")


def _check_table(prior: Mapping[str, Any], where: str) -> None:
    table = prior.get("table")
    if table is not None and not (table[0] < 1 and all(later < earlier for earlier, later in pairwise(table))):
        raise PriorError(f"{where}: table must be numbers below 1 that fall from step to step")
