"""Loads priors by name: `photo`, a model folder, a Hub id, or `scheme:ID` for the loader of a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from restore.device.memory import is_lack_of_memory
from restore.errors import OutOfMemoryError, PriorError, RestoreError, suggest
from restore.plugins import manager as plugins
from restore.priors.loaders import adm, diffusers
from restore.priors.loaders.checkpoint import Checkpoint
from restore.priors.loaders.hub import ModelFiles
from restore.priors.loaders.load import BUNDLED, from_files, from_folder, read_checkpoint
from restore.priors.loaders.pipelines.load import described
from restore.priors.prior import Prior


def prior(name: str, *, dtype: torch.dtype | None = torch.float32, local_files_only: bool = False) -> Prior:
    """Load a prior by name.

    Args:
        name: a bundled prior ("photo"), a model folder, a Hub id ("owner/model") or "scheme:ID".
        dtype: what its network computes in; None to choose by the hardware (see `NetworkPrior`).
        local_files_only: use the Hub's local cache alone, never the network.

    Raises: PriorError if it is missing or damaged; UsageError for an unknown scheme; OutOfMemoryError.
    """
    with _naming(name):
        return _prior(name, dtype, local_files_only)


def _prior(name: str, dtype: torch.dtype | None, local_files_only: bool) -> Prior:
    scheme, rest = _parts(name)
    if scheme:
        loaded: Prior = plugins.load().prior(scheme)(rest, dtype=dtype, local_files_only=local_files_only)
        return loaded
    if name in BUNDLED:
        return from_folder(name, dtype=dtype)
    return from_files(_files(name, local_files_only), dtype=dtype)


def checkpoint(name: str, *, local_files_only: bool = False) -> Checkpoint:
    """The config and weights of a prior, from which a model folder can be written.

    Args:
        name, local_files_only: as for `prior`.

    Raises: PriorError if it is missing or damaged, or its scheme gives no config; UsageError for an unknown scheme;
    OutOfMemoryError.
    """
    with _naming(name):
        return _checkpoint(name, local_files_only)


def _checkpoint(name: str, local_files_only: bool) -> Checkpoint:
    scheme, rest = _parts(name)
    told = pipeline(name, local_files_only=local_files_only)
    if told is not None:
        raise PriorError(f"prior {name} is {told}: it loads as it is, and is not converted")
    if scheme == "adm":
        found = adm.read_checkpoint(rest)
        if "classes" in found.config["network"]:
            raise PriorError(f"prior {name} is class-conditional: it loads as it is, and is not converted")
        return found
    if scheme == "diffusers":
        return diffusers.read_checkpoint(ModelFiles(rest, local_files_only=local_files_only))
    if scheme in ("", "folder"):
        place = str(BUNDLED.get(rest, rest))
        return read_checkpoint(_files(place, local_files_only))
    prior(name, local_files_only=local_files_only)  # Raises first if it cannot be loaded at all.
    raise PriorError(f"priors of {scheme}: have no config; those of adm:, diffusers:, model folders and Hub ids have")


def pipeline(name: str, *, local_files_only: bool = False) -> str | None:
    """What a pipeline of several parts is, in a line; None for any other prior."""
    scheme, rest = _parts(name)
    if scheme not in ("", "folder", "diffusers") or rest in BUNDLED:
        return None
    looks_like_one = Path(rest).is_dir() or rest.count("/") == 1
    return described(ModelFiles(rest, local_files_only=local_files_only)) if looks_like_one else None


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Lack of memory, however it is raised, is an OutOfMemoryError that names the prior."""
    try:
        yield
    except RestoreError:
        raise
    except Exception as error:
        if is_lack_of_memory(error):
            raise OutOfMemoryError(f"prior {name!r} does not fit into the memory that is free") from error
        raise


def _parts(name: str) -> tuple[str, str]:
    """Scheme and ID; the scheme is empty if there is none, or if the whole name is an existing path."""
    scheme, colon, rest = name.partition(":")
    return (scheme, rest) if colon and not Path(name).exists() else ("", name)


def _files(name: str, local_files_only: bool) -> ModelFiles:
    """The files of a folder or Hub id. Raises PriorError for a name that can be neither."""
    looks_like_hub_id = name.count("/") == 1 and not name.startswith((".", "/")) and not name.endswith("/")
    if Path(name).is_dir() or (looks_like_hub_id and not Path(name).is_file()):
        return ModelFiles(name, local_files_only=local_files_only)
    if Path(name).is_file():
        adm.refuse_foreign(Path(name))
        raise PriorError(f"prior {name!r} is a file; put its kind before it: adm:{name} or score-sde:{name}")
    raise PriorError(f"prior {name!r} is no bundled prior, folder or Hub id; {suggest(name, BUNDLED)}")
