"""From a name to a prior: `photo`, a model folder, a Hub id, or `scheme:id` of a plugin."""

from __future__ import annotations

from pathlib import Path

import torch

from restore.errors import PriorError, suggest
from restore.plugins import manager as plugins
from restore.priors.loaders import adm, diffusers
from restore.priors.loaders.checkpoint import Checkpoint
from restore.priors.loaders.hub import Files
from restore.priors.loaders.load import BUNDLED, from_files, from_folder, translate
from restore.priors.prior import Prior


def prior(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """The prior a person named.

    Args:
        dtype: what its network computes in; None for what the hardware multiplies fastest, if the prior can bear it (see
            `NetworkPrior`).

    Raises: PriorError if it is missing or broken; UsageError for an unknown scheme.
    """
    scheme, rest = _parts(name)
    if scheme:
        loaded: Prior = plugins.load().prior(scheme)(rest, dtype=dtype, local_files_only=local_files_only)
        return loaded
    if name in BUNDLED:
        return from_folder(name, dtype=dtype)
    return from_files(_files(name, local_files_only), dtype=dtype)


def checkpoint(name: str, *, local_files_only: bool = False) -> Checkpoint:
    """The prior a person named, in the terms of a model folder: what to build, and the weights to put into it.

    Raises: PriorError if it is missing or broken, or of a scheme that does not say how its priors are built.
    """
    scheme, rest = _parts(name)
    if scheme == "adm":
        return adm.translate(rest)
    if scheme == "diffusers":
        return diffusers.translate(Files(rest, local_files_only=local_files_only))
    if scheme in ("", "folder"):
        place = str(BUNDLED.get(rest, rest))
        return translate(_files(place, local_files_only))
    prior(name, local_files_only=local_files_only)  # Its own errors come first.
    raise PriorError(f"priors of {scheme}: do not say how they are built; adm:, diffusers:, folders and Hub ids do")


def _parts(name: str) -> tuple[str, str]:
    """Scheme, empty if there is none, and the rest."""
    scheme, colon, rest = name.partition(":")
    return (scheme, rest) if colon and not Path(name).exists() else ("", name)


def _files(name: str, local_files_only: bool) -> Files:
    """The files of a folder or Hub id. Raises PriorError for a name that can be neither."""
    looks_like_hub_id = name.count("/") == 1 and not name.startswith((".", "/")) and not name.endswith("/")
    if Path(name).is_dir() or (looks_like_hub_id and not Path(name).is_file()):
        return Files(name, local_files_only=local_files_only)
    if Path(name).is_file():
        raise PriorError(f"prior {name!r} is a file; name its kind before it: adm:{name} or score-sde:{name}")
    raise PriorError(f"prior {name!r} is no bundled prior, folder or Hub id; {suggest(name, BUNDLED)}")
