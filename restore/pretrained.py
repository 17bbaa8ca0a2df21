"""From a name to a prior: `photo`, a model folder, a Hub id, or `scheme:id` of a plugin."""

from __future__ import annotations

from pathlib import Path

import torch

from restore import plugins
from restore.errors import PriorError, suggest
from restore.priors.load import BUNDLED, from_anywhere, from_folder
from restore.priors.prior import Prior


def prior(name: str, *, dtype: torch.dtype = torch.float32, local_files_only: bool = False) -> Prior:
    """The prior a person named.

    Raises: PriorError if it is missing or broken; UsageError for an unknown scheme.
    """
    scheme, colon, rest = name.partition(":")
    if colon and not Path(name).exists():
        loaded: Prior = plugins.load().prior(scheme)(rest, dtype=dtype, local_files_only=local_files_only)
        return loaded
    if name in BUNDLED:
        return from_folder(name, dtype=dtype)
    looks_like_hub_id = name.count("/") == 1 and not name.startswith((".", "/")) and not name.endswith("/")
    if Path(name).is_dir() or (looks_like_hub_id and not Path(name).is_file()):
        return from_anywhere(name, dtype=dtype, local_files_only=local_files_only)
    if Path(name).is_file():
        raise PriorError(f"prior {name!r} is a file; name its kind before it: adm:{name} or score-sde:{name}")
    raise PriorError(f"prior {name!r} is no bundled prior, folder or Hub id; {suggest(name, BUNDLED)}")
