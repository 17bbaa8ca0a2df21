"""From a name to a prior: `photo`, a model folder, a Hub id, or `scheme:id` of a plugin."""

from __future__ import annotations

from pathlib import Path

import torch

from restore import plugins
from restore.errors import PriorError, suggest
from restore.priors import folder as model_folder
from restore.priors.load import BUNDLED, from_diffusers, from_folder
from restore.priors.prior import Prior


def prior(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """The prior a person named.

    Raises: PriorError if it is missing or broken; UsageError for an unknown scheme.
    """
    scheme, colon, rest = name.partition(":")
    if colon and not Path(name).exists():
        loaded: Prior = plugins.load().prior(scheme)(rest, dtype=dtype, local_files_only=local_files_only)
        return loaded
    if name in BUNDLED or _is_model_folder(Path(name)):
        return from_folder(name, dtype=dtype)
    looks_like_hub_id = name.count("/") == 1 and not name.startswith((".", "/"))
    if Path(name).is_dir() or looks_like_hub_id:
        return from_diffusers(name, dtype=dtype, local_files_only=local_files_only)
    raise PriorError(f"prior {name!r} is no bundled prior, folder or Hub id; {suggest(name, BUNDLED)}")


def _is_model_folder(path: Path) -> bool:
    return (path / model_folder.CONFIG).is_file() and (path / model_folder.WEIGHTS).is_file()
