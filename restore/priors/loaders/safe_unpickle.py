"""Files that `torch.save` wrote, read without running code from them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restore.errors import PriorError


def read(path: Path) -> Any:
    """The tensors and plain containers in a file, on the CPU.

    Raises: PriorError if the file is missing, damaged or of another kind, or holds objects whose loading runs code.
    """
    if not path.is_file():
        raise PriorError(f"{path}: no such file; give the path of a file that torch.save wrote")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise PriorError(f"{path} is a pointer of git-lfs, not the file itself; run git lfs pull where it came from")
    if start.lstrip()[:1] == b"<":
        raise PriorError(f"{path} is a web page, not a file that torch.save wrote; download it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about its older formats.
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged pickle can raise anything.
        code = re.search(r"(?:GLOBAL|global:?|Unsupported class) ([\w.]+)", str(error))
        if code:
            raise PriorError(
                f"{path} holds more than tensors ({code[1]}) and is not loaded, since that could run foreign code; "
                "save the state dict alone: torch.save(model.state_dict(), FILE)"
            ) from None
        raise PriorError(f"{path} is broken, cut short, or no file that torch.save wrote; get it again") from None


def named_tensors(value: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, without the prefix `module.` of DataParallel; empty if `value` is no state dict."""
    if not isinstance(value, dict) or not value:
        return {}
    if not all(isinstance(key, str) and isinstance(part, Tensor) for key, part in value.items()):
        return {}
    return {key.removeprefix("module."): part for key, part in value.items()}


def describe(value: Any) -> str:
    """What a file holds, in a few words for an error."""
    if tensors := named_tensors(value):
        return f"{len(tensors)} tensors, {_first_names(sorted(tensors))}"
    if isinstance(value, dict):
        return f"a dict of {_first_names(sorted(map(str, value)))}"
    return f"a {type(value).__name__}"


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
