"""What a JPEG file says besides its pixels: tables, subsampling and quantized coefficients."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from torch import Tensor

from restore.images.silence import silent_libraries
from restore.operators.cell_plane import CellPlane
from restore.operators.jpeg import from_blocks, to_blocks
from restore.operators.jpeg_cells import JPEGCells

_RATIOS = {0: (1, 1), 1: (1, 2), 2: (2, 2)}  # By Pillow's name of a subsampling: 4:4:4, 4:2:2, 4:2:0.
_MARGIN = 1.0  # Grey levels of coefficients; of chroma that has to be put back from its interpolation.
_ROUNDS = 20  # To find coefficients of blocks that the decoder clipped.


@dataclass(frozen=True)
class Jpeg:
    """How a JPEG was compressed. Two are equal if they were compressed alike.

    Attributes:
        tables: quantization tables of 64 entries, lowest frequency first, by their number in the file.
        subsampling: of chroma: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0, -1 for others.
        file: its bytes, from which `cells` decodes coefficients.
        orientation: EXIF orientation, 1 to 8, that was applied to the picture.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int
    file: bytes = field(default=b"", compare=False, repr=False)
    orientation: int = field(default=1, compare=False)

    @classmethod
    def of(cls, image: Image.Image, file: bytes, orientation: int) -> Jpeg | None:
        """Of an opened picture; None if it is no JPEG, or nothing is left of its file."""
        if not file or not isinstance(image, JpegImagePlugin.JpegImageFile):
            return None
        tables = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
        return cls(tables, JpegImagePlugin.get_sampling(image), file, orientation)

    def cells(self) -> JPEGCells | None:
        """The cells in which the coefficients of the original lay; None for CMYK, RGB without conversion, and damaged files.

        libjpeg gives samples, not coefficients; their DCT, divided by the table and rounded, is the index. That is exact but
        where a table entry is 1, and where samples were clipped, which is solved for; blocks without a solution are left open.
        Chroma of 4:2:0 is decoded at half size, where libjpeg does not interpolate it. That of 4:2:2 is put back from what
        libjpeg interpolated, to about one grey level, by which its cells are wider. Chroma that is subsampled in another way
        is left open.
        """
        try:
            with silent_libraries():
                return self._cells()
        except (OSError, ValueError, SyntaxError, IndexError):  # Pillow's, of files that were cut or put together by hand.
            return None

    def _cells(self) -> JPEGCells | None:
        image = Image.open(io.BytesIO(self.file), formats=["JPEG"])
        if image.mode not in ("L", "RGB") or (image.mode == "RGB" and image.info.get("adobe_transform") == 0):
            return None
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        size = image.size[::-1]
        of_component = [torch.tensor(image.quantization[layer[3]], dtype=torch.float32).reshape(8, 8) for layer in image.layer]
        ratio = _RATIOS.get(self.subsampling, (1, 1)) if image.mode == "RGB" else (1, 1)
        whole = _with_whole_blocks(self.file, ratio)
        # Blocks of luma behind the last that holds a pixel only fill up a unit of 4:2:0.
        rows, columns = -(-size[0] // 8), -(-size[1] // 8)
        if image.mode == "L":
            planes = [_plane(_decoded(whole, "L"), of_component[0])]
        else:
            full = _decoded(whole, "YCbCr")
            planes = [_plane(full[..., 0], of_component[0])]
            chroma, margin = _chroma(whole, full, self.subsampling)
            for i, table in enumerate(of_component[1:]):
                planes.append(_plane(chroma[..., i], table, ratio=ratio, margin=margin))
            if self.subsampling not in _RATIOS:
                planes[1:] = [CellPlane(p.index, torch.zeros_like(p.known), p.table) for p in planes[1:]]
        planes[0] = planes[0].part(slice(rows), slice(columns))
        unit = 8 * ratio[0], 8 * ratio[1]
        planes = [_covering(plane, size, unit) for plane in planes]
        return JPEGCells(planes, size, orientation=self.orientation)


def _covering(plane: CellPlane, size: tuple[int, int], unit: tuple[int, int]) -> CellPlane:
    """With unknown blocks to the end of the last coding unit of a picture."""
    rows, columns = (-(-side // whole) * whole // block for side, whole, block in zip(size, unit, plane.block, strict=True))
    return plane.padded(max(rows, len(plane.index)), max(columns, plane.index.shape[1]))


def _decoded(file: bytes, mode: str, scale: int = 1) -> NDArray[np.uint8]:
    """Samples as libjpeg decodes them, without conversion to RGB: (h, w) for "L", (h, w, 3) for "YCbCr"."""
    image = Image.open(io.BytesIO(file), formats=["JPEG"])
    image.draft(mode, (image.width // scale, image.height // scale))
    return np.asarray(image)


def _with_whole_blocks(file: bytes, ratio: tuple[int, int]) -> bytes:
    """The file with a size that ends with its last blocks, so that these are decoded whole.

    The number of blocks must not change, or the rest of the file would be read wrongly. In a scan of one component, as
    progressive files have them, it follows from the component's own size, so these are filled up to 8 pixels only.
    """
    at, kind, components = 2, 0, 0
    while True:
        kind, length = file[at + 1], int.from_bytes(file[at + 2 : at + 4], "big")
        if kind == 0xFF:  # Fill bytes before a marker.
            at += 1
            continue
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            break
        at += 2 + length
    frame, components = at, file[at + 9]
    scan = file.index(b"\xff\xda", frame)
    interleaved = kind in (0xC0, 0xC1) and file[scan + 4] == components
    units = (8 * ratio[0], 8 * ratio[1]) if interleaved else (8, 8)
    sides = (int.from_bytes(file[frame + 5 + 2 * i : frame + 7 + 2 * i], "big") for i in range(2))
    filled = b"".join((-(-side // unit) * unit).to_bytes(2, "big") for side, unit in zip(sides, units, strict=True))
    return file[: frame + 5] + filled + file[frame + 9 :]


def _chroma(file: bytes, full: NDArray[np.uint8], subsampling: int) -> tuple[NDArray[np.float32], float]:
    """Chroma as it lies in the file, (h, w, 2), and the margin that its coefficients need."""
    if subsampling == 2:
        # At half size libjpeg transforms chroma whole and only luma to 4x4 samples.
        return _decoded(file, "YCbCr", scale=2)[..., 1:].astype(np.float32), 0.0
    if subsampling == 1:
        return np.stack([_put_back(full[..., i]) for i in (1, 2)], axis=-1), _MARGIN
    return full[..., 1:].astype(np.float32), 0.0


def _put_back(wide: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, 2 n) -> (h, n): the rows that libjpeg's interpolation doubled, to the nearest integer.

    Samples s became (3 s[i] + s[i-1]) / 4 and (3 s[i] + s[i+1]) / 4, and the first and last themselves, each rounded: least
    squares, by the normal equations, which are those of a tridiagonal matrix with the same inverse for each row.
    """
    width = wide.shape[1]
    n = width // 2
    spread = np.zeros((width, n))
    at = np.arange(n)
    spread[2 * at, at] = spread[2 * at + 1, at] = 0.75
    spread[2 * at, np.maximum(at - 1, 0)] += 0.25
    spread[2 * at + 1, np.minimum(at + 1, n - 1)] += 0.25
    found = np.linalg.solve(spread.T @ spread, spread.T @ wide.T.astype(np.float64)).T
    return np.rint(found).clip(0, 255).astype(np.float32)


def _plane(samples: NDArray[np.generic], table: Tensor, *, ratio: tuple[int, int] = (1, 1), margin: float = 0.0) -> CellPlane:
    """The indices of a component, (h, w) samples as the decoder rounded and clipped them."""
    height, width = (side // 8 * 8 for side in samples.shape)  # Chroma of progressive files may end within a block.
    given = torch.from_numpy(np.ascontiguousarray(samples[:height, :width], dtype=np.float32))[None, None]
    index = (to_blocks(given - 128) / table).round()
    again = from_blocks(index * table) + 128
    known = _agrees(given, again, margin)
    if not known.all():
        index, known = _unclipped(given, index, known, table, margin)
    return CellPlane(index[0, 0].to(torch.int16), known[0, 0], table, ratio, margin)


def _unclipped(given: Tensor, index: Tensor, known: Tensor, table: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Indices of blocks with clipped samples: projections in turn on multiples of the table and on samples beyond the range."""
    low, high = given <= 0, given >= 255
    for _ in range(_ROUNDS):
        again = from_blocks(index * table) + 128
        wanted = given.where(~low, again.clamp(max=0)).where(~high, again.clamp(min=255))
        tried = (to_blocks(wanted - 128) / table).round()
        index = index.where(known[..., None, None], tried)
        known = known | _agrees(given, from_blocks(index * table) + 128, margin)
        if known.all():
            break
    return index, known


def _agrees(given: Tensor, again: Tensor, margin: float) -> Tensor:
    """(1, 1, R, S) bool, where decoding the coefficients gives a block's samples, to the rounding."""
    away = (again.clamp(0, 255) - given).abs()
    return away.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).amax((-3, -1)) <= 1.0 + 2 * margin
