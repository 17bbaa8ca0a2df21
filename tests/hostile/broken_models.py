"""Broken models, many of each kind, the same ones for the same seed.

A case spoils a copy of one of three small models: a model folder (`own`), a pipeline of diffusers (`pipeline`), or a state dict
that torch.save wrote in such a pipeline (`pickled`). Configs that are changed but allowed describe another model; then it must
answer with finite values. Of everything else, what still loads must answer as before (`same`).
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import broken_pickles
import broken_weights
import torch
from toys import OWN

from restore.priors.loaders import folder

SEED = 20
DEEP = "DEEP"
ABSENT = object()
VALUES: dict[str, Any] = {
    "a word": "wide",
    "null": None,
    "an empty list": [],
    "a list of lists": [[1], [2]],
    "an object": {"a": 1},
    "true": True,
    "-1": -1,
    "0": 0,
    "a half": 0.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "1e9": 10**9,
    "1e12": 1e12,
    "a list of 1e12": [10**12] * 2,
    "3,000 digits": 10**3000,
    "100,000 deep": DEEP,
    "missing": ABSENT,
}
OWN_FIELDS = {
    (): ("family", "network", "prior", "size"),
    ("network",): ("type", "channels", "widths", "blocks", "patch", "constants", "out_channels"),
    ("prior",): ("sigma_data", "sigma_min", "sigma_max", "sigma_start"),
}
INDEX, UNET, SCHEDULER = "model_index.json", "unet/config.json", "scheduler/scheduler_config.json"
WEIGHTS = {"own": "model.safetensors", "pipeline": "unet/diffusion_pytorch_model.safetensors"}
JSON = {"own": ("config.json",), "pipeline": (INDEX, UNET, SCHEDULER)}
UNKNOWN = {"auto_map": {"AutoModel": "code.Net"}, "custom_pipeline": "code.py", "trust_remote_code": True, "depht": 3}


@dataclass(frozen=True)
class Case:
    """One broken model.

    Attributes:
        kind: what is broken, in a word; `name` says how.
        base: the model that is copied.
        spoil: breaks the copy, given its folder.
        same: if it loads, it must answer as the base does.
    """

    kind: str
    name: str
    base: str
    spoil: Callable[[Path], None]
    same: bool = True

    def __str__(self) -> str:
        return f"{self.base}, {self.kind}: {self.name}"


def make(place: Path) -> dict[str, Path]:
    """The whole models, by the name of their base."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers
    torch.manual_seed(0)
    folder.save(place / "own", OWN, folder.build(OWN), "# a card\n")
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        layers_per_block=1,
        attention_head_dim=4,
    )
    for name in ("pipeline", "pickled"):
        diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler(num_train_timesteps=100)).save_pretrained(place / name)
    (place / "pickled" / WEIGHTS["pipeline"]).unlink()
    torch.save(unet.state_dict(), place / "pickled" / broken_pickles.FILE)
    return {name: place / name for name in ("own", "pipeline", "pickled")}


def cases(seed: int = SEED) -> list[Case]:
    """All cases."""
    rng = random.Random(seed)
    found = [*_fields(), *_code()]
    for base in ("own", "pipeline"):
        found += [
            Case("file", f"{file} {name}", base, _file(file, spoil)) for file in JSON[base] for name, spoil in FILES.items()
        ]
        found += [Case("file", f"weights {name}", base, _file(WEIGHTS[base], spoil)) for name, spoil in FILES.items()]
        found += [
            Case("weights", name, base, _file(WEIGHTS[base], spoil), same) for name, spoil, same in broken_weights.cases(rng)
        ]
    found += [Case("pickle", name, "pickled", _file(broken_pickles.FILE, spoil)) for name, spoil in broken_pickles.cases(rng)]
    return found


def quick(seed: int = SEED, each: int = 10) -> list[Case]:
    """A few cases of each kind."""
    rng, all_cases = random.Random(seed), cases(seed)
    kinds = sorted({case.kind for case in all_cases})
    chosen = []
    for kind in kinds:
        of_kind = [case for case in all_cases if case.kind == kind]
        chosen += rng.sample(of_kind, min(each, len(of_kind)))
    return chosen


def _fields() -> Iterator[Case]:
    from restore.priors.loaders.diffusers_schema import CHAIN, NAMED
    from restore.priors.loaders.diffusers_schema import UNET as UNET_FIELDS

    places = [("own", "config.json", path, name) for path, names in OWN_FIELDS.items() for name in names]
    places += [("pipeline", UNET, (), name) for name in ("_class_name", *UNET_FIELDS)]
    places += [("pipeline", SCHEDULER, (), name) for name in (*NAMED, *CHAIN)]
    places += [("pipeline", INDEX, (), name) for name in ("_class_name", "unet", "scheduler", "vae")]
    for base, file, path, name in places:
        for what, value in VALUES.items():
            yield Case("field", f"{file} {'.'.join((*path, name))} is {what}", base, _set(file, (*path, name), value), False)


def _code() -> Iterator[Case]:
    for base, files in JSON.items():
        for file in files:
            for name, value in UNKNOWN.items():
                yield Case("code", f"{file} has {name}", base, _set(file, (name,), value))
    for part in ("_class_name", "unet", "scheduler"):
        yield Case("code", f"{INDEX} {part} is of the model", "pipeline", _set(INDEX, (part,), ["code", "Net"]))


def _set(file: str, path: tuple[str, ...], value: Any) -> Callable[[Path], None]:
    def spoil(model: Path) -> None:
        config = inner = json.loads((model / file).read_text())
        for name in path[:-1]:
            inner = inner[name]
        inner.pop(path[-1], None)
        if value is not ABSENT:
            inner[path[-1]] = value
        (model / file).write_text(json.dumps(config).replace(f'"{DEEP}"', "[" * 100_000 + "]" * 100_000))

    return spoil


def _file(file: str, spoil: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda model: spoil(model / file)


def _replaced(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(target: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.unlink()
        path.symlink_to(path if target == "itself" else target)

    return spoil


def _unreadable_text(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20] + b"\xff\xfe\x81" + path.read_bytes()[20:])


FILES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": _replaced(b""),
    "blank": _replaced(b" \n\n"),
    "nulls": _replaced(bytes(5000)),
    "a folder": _folder,
    "a link to nowhere": _link("nowhere"),
    "a link to itself": _link("itself"),
    "a link to a device": _link("/dev/zero"),
    "not UTF-8": _unreadable_text,
    "in UTF-16": lambda path: path.write_bytes(path.read_bytes().decode("latin-1").encode("utf-16")) and None,
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) and None,
    "twice": lambda path: path.write_bytes(path.read_bytes() * 2) and None,
    "a list": _replaced(b"[1, 2]"),
    "a number": _replaced(b"1e999"),
    "100,000 deep": _replaced(b"[" * 100_000),
    "objects 100,000 deep": _replaced(b'{"a":' * 100_000),
    "5,000 digits": _replaced(b'{"family": ' + b"9" * 5000 + b"}"),
    "20 MB": _replaced(b" " * 20_000_000),
    "a page": _replaced(b"<!DOCTYPE html><html>\n<body>404</body></html>"),
    "a pointer of git-lfs": _replaced(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
}
