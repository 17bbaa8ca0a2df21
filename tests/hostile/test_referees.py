"""The corpus against other decoders: LittleCMS always; pypng and tifffile in the slow set, where they are installed."""

from io import BytesIO

import corpus
import interlaced
import numpy as np
import pytest
import tiffs
import torch
from PIL import Image, ImageCms
from profiles import PRIMARIES, profile
from test_damaged_files import encoded, smooth

from restore.errors import PictureError
from restore.images.reading import decode

MISSING = "{0} is not installed: pip install 'diffusion-restore[test-slow]'"
PNGS = [(name, data) for name, data, _ in corpus.whole() if name.endswith(".png")]
NOT_READ = {"tiff_lzw.tif"}  # Takes tifffile one more package; what the file holds is known.


@pytest.mark.parametrize("primaries", PRIMARIES)
def test_wide_gamuts_are_seen_as_little_cms_sees_them(primaries: str) -> None:
    data = encoded(smooth(32, 40), "PNG", icc_profile=profile(primaries, 2.2))
    picture = decode(data, "a.png")
    assert picture.metadata.icc == profile(primaries, 2.2)
    image = Image.open(BytesIO(data))
    source, target = ImageCms.ImageCmsProfile(BytesIO(picture.metadata.icc)), ImageCms.createProfile("sRGB")
    expected = ImageCms.profileToProfile(image, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC)
    space = picture._space()
    assert space is not None
    shown = ((space.to_srgb(picture.pixels)[0].permute(1, 2, 0) + 1) * 127.5).clamp(0, 255)
    difference = (shown - torch.from_numpy(np.array(expected)).float()).abs()
    assert float(difference.max()) < 1.6  # LittleCMS works in 8 bits, and sRGB is steep in shadows.


@pytest.mark.parametrize("name", ["CMYK-plain.jpg", "CMYK-progressive.jpg", "RGB-progressive.jpg", "L-restarts.jpg"])
def test_lossy_files_hold_nearly_what_they_were_made_of(name: str) -> None:
    data = next(data for found, data, _ in corpus.lossy() if found == name)
    expected = np.asarray(Image.fromarray(smooth(32, 40)).convert(name.split("-")[0]).convert("RGB"), np.float32)
    assert np.abs(decode(data, name).samples() - expected).mean() < 5  # Of 100 and more, were a channel inverted.


@pytest.mark.parametrize("channels", [3, 4])
def test_planes_of_more_than_8_bits_are_refused(channels: int) -> None:
    for samples in (tiffs.deep(channels), (tiffs.deep(channels) / 65535).astype(np.float32)):
        with pytest.raises(PictureError, match="not supported"):
            decode(tiffs.tiff_of([tiffs.Page(samples, planar=True)]), "a.tif")


@pytest.mark.parametrize(("name", "pages", "order"), [case for case in tiffs.pages() if len(case[1]) > 1])
def test_every_page_is_read(name: str, pages: list[tiffs.Page], order: str) -> None:
    data = tiffs.tiff_of(pages, order)
    for number, page in enumerate(pages, 1):
        assert np.array_equal(decode(data, f"{name}.tif", page=number).samples(), page.samples)


def test_the_interlaced_files_are_those_without_interlacing() -> None:
    made = {name: decode(data, name) for name, data, _ in interlaced.files()}
    pairs = [(name, name.replace("-interlaced", "")) for name in made if "-interlaced" in name and name.startswith("type")]
    assert len(pairs) == 26
    for name, plain in pairs:
        assert np.array_equal(made[name].samples(), made[plain].samples())
        assert (made[name].alpha is None) == (made[plain].alpha is None)
        assert made[name].alpha is None or np.array_equal(made[name].alpha, made[plain].alpha)


def direct(png: object, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples (H, W, 1 or 3) and alpha that pypng finds, scaled from fewer bits to 8."""
    at = data.find(b"sBIT") - 4  # pypng would scale samples by it.
    data = data[:at] + data[at + 12 + int.from_bytes(data[at : at + 4], "big") :] if at > 0 else data
    width, height, rows, info = png.Reader(bytes=data).asDirect()  # type: ignore[attr-defined]
    values = np.vstack([np.asarray(row, np.int64) for row in rows]).reshape(height, width, info["planes"])
    if info["bitdepth"] < 8:
        values = values * 255 // (2 ** info["bitdepth"] - 1)
    values = values.astype(np.uint16 if info["bitdepth"] == 16 else np.uint8)
    return (values[..., :-1], values[..., -1]) if info["alpha"] else (values, None)


def compare_with_pypng(png: object, name: str, data: bytes) -> None:
    samples, alpha = direct(png, data)
    picture = decode(data, name)
    assert np.array_equal(picture.samples(), samples)
    assert alpha is None or (np.full_like(alpha, np.iinfo(alpha.dtype).max) == alpha).all() or picture.alpha is not None
    assert picture.alpha is None or (alpha is not None and np.array_equal(picture.alpha, alpha))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), PNGS, ids=[name for name, _ in PNGS])
def test_pypng_finds_the_same_samples(name: str, data: bytes) -> None:
    compare_with_pypng(pytest.importorskip("png", reason=MISSING.format("pypng")), name, data)


TIFFS = [(f"{name}.tif", tiffs.tiff_of(pages, order)) for name, pages, order in tiffs.pages()]
TIFFS += [(name, data) for name, data, _ in corpus.lossless() if name.endswith(".tif") and name not in NOT_READ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), TIFFS, ids=[name for name, _ in TIFFS])
def test_tifffile_finds_the_same_samples(name: str, data: bytes) -> None:
    tifffile = pytest.importorskip("tifffile", reason=MISSING.format("tifffile"))
    with tifffile.TiffFile(BytesIO(data)) as file:
        for number, page in enumerate(file.pages, 1):
            values = page.asarray()
            if page.photometric == 0:  # White is zero.
                values = np.iinfo(values.dtype).max - values
            if values.ndim == 3 and page.planarconfig == 2:
                values = values.transpose(1, 2, 0)
            if values.dtype.kind == "f":
                values = np.rint(values.astype(np.float64) * 65535).astype(np.uint16)
            values = values.reshape(*values.shape[:2], -1)
            picture = decode(data, name, page=number if len(file.pages) > 1 else None)
            assert np.array_equal(picture.samples(), values[..., :3])
            assert picture.alpha is None or np.array_equal(picture.alpha, values[..., 3])
