"""Files that `torch.save` wrote, read without running code from them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restore.device.memory import is_lack_of_memory
from restore.errors import PriorError
from restore.priors.loaders import pickle_scan
from restore.priors.loaders.fields import shown
from restore.priors.loaders.weights import DTYPES

SHARED = 4  # Weights may share memory, but not by more than this.


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
    refuse_persistent(path)
    try:
        _refuse_compressed(path)
        pickle_scan.check(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about its older formats.
            return torch.load(path, map_location="cpu", weights_only=True)
    except PriorError:
        raise
    except Exception as error:
        # A damaged pickle can raise anything.
        if is_lack_of_memory(error):
            raise
        code = re.search(r"(?:GLOBAL|global:?|Unsupported class) ([\w.]+)", str(error))
        if code:
            raise PriorError(
                f"{path} holds more than tensors ({code[1]}) and is not loaded, since that could run foreign code; "
                "save the state dict alone: torch.save(model.state_dict(), FILE)"
            ) from None
        raise PriorError(f"{path} is broken, cut short, or no file that torch.save wrote; get it again") from None


def refuse_persistent(path: Path) -> None:
    """Raises PriorError for pickles of NVlabs' programs (StyleGAN, EDM), which hold the source code of their networks."""
    with path.open("rb") as file:
        if b"torch_utils.persistence" in file.read(2**20):
            raise PriorError(
                f"{path} is a network of an NVlabs program (EDM or StyleGAN), saved with code that runs when it is loaded, and "
                "is not loaded here; a loader of your own can load it with that program: EDM's net(x, sigma) is D as it is "
                "(docs/extending.md)"
            )


def named_tensors(value: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, without the prefix `module.` of DataParallel; empty if `value` is no state dict."""
    if not isinstance(value, dict) or not value:
        return {}
    if not all(isinstance(key, str) and isinstance(part, Tensor) for key, part in value.items()):
        return {}
    return {key.removeprefix("module."): part for key, part in value.items()}


def check_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Check that tensors are ordinary ones and take no more memory than the file: a few bytes can describe one of any size.

    Raises: PriorError.
    """
    for name, tensor in tensors.items():
        fault = None
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            fault = "is sparse, quantized or without values"
        elif tensor.dtype not in DTYPES.values():
            fault = f"has dtype {str(tensor.dtype).removeprefix('torch.')}"
        elif tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            fault = "repeats its values"
        if fault is not None:
            raise PriorError(f"{path}: {shown(name)} {fault}; weights are whole tensors of {', '.join(DTYPES)}")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > SHARED * path.stat().st_size:
        raise PriorError(f"{path}: its tensors take far more memory than the file, and are not loaded")


def _refuse_compressed(path: Path) -> None:
    """torch stores tensors as they are; a compressed file can be a thousand times as large as it looks. Raises PriorError."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as parts:
            sizes = [part.file_size for part in parts.infolist() if part.compress_type == zipfile.ZIP_STORED]
            stored = len(sizes) == len(parts.infolist())
    except Exception:  # zipfile raises several kinds for damaged files.
        raise PriorError(f"{path} is broken, cut short, or no file that torch.save wrote; get it again") from None
    if not stored or sum(sizes) > path.stat().st_size:
        raise PriorError(f"{path} is compressed, which torch.save does not do, and is not loaded")


def describe(value: Any) -> str:
    """What a file holds, in a few words for an error."""
    if tensors := named_tensors(value):
        return f"{len(tensors)} tensors, {_first_names(sorted(tensors))}"
    if isinstance(value, dict):
        return f"a dict of {_first_names([str(key) if isinstance(key, str) else shown(key) for key in value])}"
    return f"a {type(value).__name__}"


def _first_names(names: list[str]) -> str:
    names = sorted(names)
    return ", ".join(name if name.isprintable() and len(name) < 80 else shown(name) for name in names[:3]) + (
        ", ..." if len(names) > 3 else ""
    )
