"""State dicts of guided-diffusion and of projects built on it (such as `ffhq_10m.pt` of the DPS paper).

The file holds no config: the architecture follows from the names and shapes of its tensors.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch
from torch import Tensor

from restore.errors import PriorError, UsageError, suggest
from restore.priors.families.networked import NetworkPrior
from restore.priors.latent.conditional import Conditional
from restore.priors.latent.conditions import Conditions
from restore.priors.loaders import safe_unpickle
from restore.priors.loaders.checkpoint import Checkpoint, build_prior
from restore.priors.loaders.fields import shown
from restore.priors.loaders.fit import check_weights
from restore.priors.loaders.pipelines.labels import Labels
from restore.priors.loaders.weights import as_float32
from restore.priors.prior import Prior

OPTIONS = {"head_channels": "64", "heads": "", "schedule": "linear", "attention": "", "label": ""}
SAVED = (".pt", ".pth", ".ckpt")
QKV = re.compile(r"(?:input_blocks\.\d+\.\d+|middle_block\.1|output_blocks\.\d+\.\d+)\.qkv\.(?:weight|bias)")
logger = logging.getLogger("restore")


def from_adm(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """A network of Dhariwal & Nichol 2021 (2105.05233) as guided-diffusion saves it; a DDPM of 1000 steps.

    The tensors show neither the number of attention heads, nor the order of their channels, nor the noise schedule; a warning
    says what is assumed where a network of other settings would have the same tensors. The defaults are those of the published
    unconditional models: 64 channels per head, heads one after the other, linear schedule. Options after the file name change
    them, joined by `&`: `FILE?head_channels=32`, `FILE?heads=4`, `FILE?attention=new` (use_new_attention_order),
    `FILE?schedule=cosine`. D is clipped to [-1, 1], as guided-diffusion's sampler does.

    A class-conditional network takes `FILE?label=7`, or a label when it is used.

    Args:
        name: a file that `torch.save` wrote, with or without options.
        dtype: what the network computes in; None to choose by the hardware (see `NetworkPrior`).
        local_files_only: not used; every loader takes it.

    Raises: PriorError if the file cannot be read, or its network has another architecture; UsageError for an unknown option or
    a wrong label.
    """
    found = read_checkpoint(name)
    prior, classes, (_, options) = build_prior(found, dtype=dtype), found.config["network"].get("classes"), _split_options(name)
    if classes is None:
        if options["label"]:
            raise UsageError(f"adm: {name.partition('?')[0]} is unconditional and has no labels; leave label out")
        return prior
    assert isinstance(prior, NetworkPrior)
    labelled = Conditional(prior, Labels(classes))
    return labelled.given(Conditions(label=options["label"])) if options["label"] else labelled


def read_checkpoint(name: str) -> Checkpoint:
    """Config and weights of the prior that `from_adm` returns; raises the same errors."""
    path, options = _split_options(name)
    state = _network_state(path)
    network = {"type": "adm", **architecture(state, str(path)), "head_channels": int(options["head_channels"])}
    if options["heads"]:
        network["heads"] = int(options["heads"])
    if options["attention"] == "new":
        heads = int(options["heads"]) if options["heads"] else None
        state = {key: _legacy(key, value, int(options["head_channels"]), heads, str(path)) for key, value in state.items()}
    if not (options["attention"] and (options["heads"] or "head_channels=" in name)):
        _say_assumed(state, options, path)
    variance = "learned" if network["learned_variance"] else "fixed-small"
    prior = {"schedule": options["schedule"], "steps": 1000, "prediction": "epsilon", "variance": variance, "clip": 1.0}
    # In all published models the coarsest level is 8 pixels wide.
    size = 8 * 2 ** (len(network["widths"]) - 1)
    config = {"family": "ddpm", "network": network, "prior": prior, "size": size}
    check_weights(config, state, str(path))
    return Checkpoint(config, as_float32(state, str(path)), f"guided-diffusion state dict {path.name}")


def architecture(state: Mapping[str, Tensor], path: str) -> dict[str, Any]:
    """The arguments of `ADM` that follow from a state dict.

    The number of blocks per level follows from the first decoder stage that upsamples, since it ends the coarsest level; the
    other arguments follow from shapes.

    Args:
        state: its tensors may be on the meta device.
        path: the file's name in errors.

    Raises: PriorError if a tensor that is needed is missing.
    """

    other = f"{path} is of another architecture than guided-diffusion's U-Net"

    def shape(name: str, dimensions: int) -> torch.Size:
        if name not in state:
            raise PriorError(f"{other}: no {name}")
        if state[name].ndim != dimensions:
            raise PriorError(f"{other}: {name} has {state[name].ndim} dimensions, expected {dimensions}")
        return state[name].shape

    channels = shape("input_blocks.0.0.weight", 4)[1]
    # Numbers of few digits: a file may name any.
    stages = 1 + max((int(found[1]) for key in state if (found := re.match(r"output_blocks\.(\d{1,9})\.", key))), default=-1)
    if stages > len(state):
        raise PriorError(f"{other}: {stages} decoder stages, but {len(state)} tensors")
    ups = re.compile(r"output_blocks\.(\d{1,9})\.[12]\.(?:in_layers\.0|conv)\.weight")
    upsampling = sorted(int(found[1]) for key in state if (found := ups.fullmatch(key)))
    blocks = upsampling[0] if upsampling else stages - 1
    if blocks < 1 or stages % (blocks + 1):
        raise PriorError(f"{other}: {stages} decoder stages, upsampling after {', '.join(map(str, upsampling[:10])) or 'none'}")
    firsts = [1 + level * (blocks + 1) for level in range(stages // (blocks + 1))]
    widths = [shape(f"input_blocks.{first}.0.out_layers.3.weight", 4)[0] for first in firsts]
    outputs = shape("out.2.weight", 4)[0]
    if channels not in (1, 3) or outputs not in (channels, 2 * channels):
        raise PriorError(
            f"{path}: its network has {channels} input and {outputs} output channels; expected 1 or 3 input channels, and as "
            "many output channels or, with a learned variance, twice as many"
        )
    return {
        "channels": channels,
        "widths": widths,
        "time_width": shape("time_embed.0.weight", 2)[1],
        "blocks": blocks,
        "attention": [level for level, first in enumerate(firsts) if f"input_blocks.{first}.1.qkv.weight" in state],
        "resample_blocks": f"input_blocks.{blocks + 1}.0.op.weight" not in state,
        "scale_shift": shape("input_blocks.1.0.emb_layers.1.weight", 2)[0] == 2 * widths[0],
        "learned_variance": outputs == 2 * channels,
        **({"classes": shape("label_emb.weight", 2)[0]} if "label_emb.weight" in state else {}),
    }


def _legacy(name: str, value: Tensor, head_channels: int, heads: int | None, path: str) -> Tensor:
    """Weights of queries, keys and values with the channels of a head in a row, from those of use_new_attention_order, where
    all queries come first; other weights as they are."""
    if not QKV.fullmatch(name):
        return value
    features = value.shape[0] // 3
    count = heads or max(1, features // head_channels)
    if value.shape[0] != 3 * features or features % count:
        raise PriorError(f"{path}: heads do not divide the {features} feature channels of {shown(name)}")
    return value.reshape(3, count, features // count, *value.shape[1:]).transpose(0, 1).reshape(value.shape)


def _say_assumed(state: Mapping[str, Tensor], options: Mapping[str, str], path: Path) -> None:
    """Log how heads are assumed to be divided: no tensor shows it."""
    if not any(QKV.fullmatch(name) for name in state):
        return
    heads = f"{options['heads']} heads" if options["heads"] else f"heads of {options['head_channels']} channels"
    logger.info(
        "%s does not say how its attention is divided: %s in the %s order are assumed; where they are others, outputs are "
        "wrong (adm:FILE?head_channels=N, ?heads=N, ?attention=new)",
        path.name,
        heads,
        options["attention"] or "legacy",
    )


def _split_options(name: str) -> tuple[Path, dict[str, str]]:
    """A file and its options."""
    path, _, query = (name, "", "") if Path(name).is_file() else name.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    for key, value in given.items():
        if key not in OPTIONS:
            raise UsageError(f"adm: has no option {key!r}; {suggest(key, OPTIONS)}")
        if key == "schedule" and value not in ("linear", "cosine"):
            raise UsageError(f"adm: schedule must be linear or cosine, got {value!r}")
        if key == "attention" and value not in ("legacy", "new"):
            raise UsageError(f"adm: attention must be legacy or new, got {value!r}")
        if key in ("head_channels", "heads") and not (value.isdecimal() and len(value) < 6 and int(value) > 0):
            raise UsageError(f"adm: {key} must be a positive integer, got {value!r}")
    return Path(path), {**OPTIONS, **given}


def _network_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a diffusion network.

    Raises: PriorError, naming the contents, for any other file.
    """
    value = safe_unpickle.read(path)
    state = safe_unpickle.named_tensors(value)
    expected = "expected the state dict of a diffusion network of guided-diffusion"
    _refuse_others(value, path)
    for known, what in _OTHER_KINDS.items():
        keys = state or (value if isinstance(value, dict) else {})
        if any(str(key).startswith(known) for key in keys) and "input_blocks.0.0.weight" not in state:
            raise PriorError(f"{path}: {expected}, found {what}")
    if "input_blocks.0.0.weight" in state and not any(key.startswith("output_blocks.") for key in state):
        raise PriorError(f"{path}: {expected}, found a classifier or encoder (no output_blocks)")
    if "input_blocks.0.0.weight" not in state:
        raise PriorError(f"{path}: {expected} (input_blocks.0.0.weight and so on), found {safe_unpickle.describe(value)}")
    safe_unpickle.check_tensors(state, path)
    return state


def refuse_foreign(path: Path) -> None:
    """Raises PriorError for a file of a program whose networks are others, and says which. What cannot be read is none."""
    safe_unpickle.refuse_persistent(path)
    if path.suffix not in SAVED:
        return
    try:
        value = safe_unpickle.read(path)
    except PriorError:
        return
    _refuse_others(value, path)


def _refuse_others(value: Any, path: Path) -> None:
    """Raises PriorError for checkpoints of programs whose networks are others."""
    parts = [value, *(value.values() if isinstance(value, dict) else ())]
    names = [name for part in parts for name in safe_unpickle.named_tensors(part)]
    for sign, program in _PROGRAMS.items():
        if any(re.search(sign, name) for name in names):
            raise PriorError(
                f"{path} is a checkpoint of {program}, whose network this toolkit does not have; a loader of your own can "
                "build it with that program and hand it over as a prior (docs/extending.md)"
            )


_PROGRAMS = {
    r"(^|\.)init_conv\.weight$": "denoising-diffusion-pytorch (lucidrains)",
    r"^inner_model\.": "k-diffusion",
}
"""What names of tensors look like -> the program."""
_OTHER_KINDS = {
    "down_blocks.": "weights of a network of diffusers; give its folder as diffusers:FOLDER",
    "all_modules.": "a network of score_sde_pytorch; see score-sde:FILE",
    "ema": "a checkpoint with a moving average; save its state dict alone, or see score-sde:FILE",
    "model.diffusion_model.": "a checkpoint of latent diffusion, which works on latents, not on pictures",
    "state_dict": "a checkpoint that contains a state dict; save that alone: torch.save(checkpoint['state_dict'], FILE)",
}
