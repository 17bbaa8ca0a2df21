from __future__ import annotations

import contextlib
import logging
import math
import os
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from restore import images
from restore.errors import PictureError, UsageError
from restore.images import Metadata, tiff
from restore.images.metadata import load_exif
from restore.images.palette import indices
from restore.images.samples import apply_orientation, to_pixels, to_samples

HEIGHT, WIDTH = 13, 18
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="1"/></x:xmpmeta>'


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random(rng: np.random.Generator, channels: int, depth: int = 8) -> np.ndarray:
    return rng.integers(0, 2**depth, (HEIGHT, WIDTH, channels)).astype(f"uint{depth}")


def palette_image(rng: np.random.Generator, colours: int, mode: str = "P") -> Image.Image:
    image = Image.frombytes("P", (WIDTH, HEIGHT), rng.integers(0, colours, (HEIGHT, WIDTH)).astype(np.uint8).tobytes())
    image.putpalette(rng.integers(0, 256, colours * 3).astype(np.uint8).tobytes())
    return image


def pillow(image: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opencv(suffix: str, array: np.ndarray) -> bytes:
    done, data = cv2.imencode(suffix, array)
    assert done
    return data.tobytes()


def la16_png(array: np.ndarray) -> bytes:
    """A 16-bit gray and alpha PNG, by a deflate stream of unfiltered rows."""
    import struct
    import zlib

    file = BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(8)
    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 4, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(rows))
    PngImagePlugin.putchunk(file, b"IEND")
    return file.getvalue()


def source(case: str, rng: np.random.Generator) -> bytes:
    """A file of the case's kind, made without the module under test wherever a library can."""
    if case.startswith("bilevel"):
        image = Image.fromarray(random(rng, 1)[..., 0] > 127)
    elif case.startswith("gray-alpha"):
        image = Image.fromarray(random(rng, 2))
    elif case.startswith("gray"):
        image = Image.fromarray(random(rng, 1)[..., 0])
    elif case.startswith("rgba"):
        image = Image.fromarray(random(rng, 4) // 128 * 128)
    elif case.startswith("rgb"):
        image = Image.fromarray(random(rng, 3))
    elif case.startswith("palette"):
        image = palette_image(rng, 7 if "small" in case else 256)
    elif case.startswith("cmyk"):
        image = Image.frombytes("CMYK", (WIDTH, HEIGHT), random(rng, 4).tobytes())
    form = case.rsplit(" ", 1)[1].upper()
    if "16" in case:
        suffix = "." + form.lower()
        channels = {"gray": 1, "rgb": 3, "rgba": 4, "gray-alpha": 2}[case.split()[0]]
        array = random(rng, channels, 16)
        if channels == 2:
            return la16_png(array)
        if channels == 4:
            array[:4, :, 3] = 0
        return opencv(suffix, array)
    if case == "rgba bmp":
        return opencv(".bmp", np.asarray(image))
    options: dict[str, object] = {"transparency": bytes(range(0, 256))} if "transparent" in case else {}
    if form == "WEBP":
        options = {"lossless": True, "exact": True}
    return pillow(image, form, **options)


CASES = [
    *(f"{kind} png" for kind in ("bilevel", "gray", "gray-alpha", "rgb", "rgba", "palette", "palette-small")),
    "palette-transparent png",
    *(f"{kind} 16 png" for kind in ("gray", "gray-alpha", "rgb", "rgba")),
    *(f"{kind} tiff" for kind in ("bilevel", "gray", "gray-alpha", "rgb", "rgba", "palette", "cmyk")),
    *(f"{kind} 16 tiff" for kind in ("gray", "rgb", "rgba")),
    *(f"{kind} bmp" for kind in ("bilevel", "gray", "rgb", "rgba", "palette")),
    *(f"{kind} webp" for kind in ("rgb", "rgba")),
]


def decoded(path: Path) -> tuple[str, np.ndarray]:
    """The file's mode and samples, by Pillow, or by OpenCV for 16 bits."""
    with Image.open(path) as image:
        packing = image.tile[0][3] if image.tile else ""
        mode = image.mode
        samples = np.asarray(image)
    if ";16" in str(packing) and image.format in ("PNG", "TIFF"):
        samples = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert samples.dtype == np.uint16
        mode += " 16"
    return mode, samples


def make(folder: Path, case: str, rng: np.random.Generator) -> Path:
    path = folder / f"in.{case.rsplit(' ', 1)[1]}"
    path.write_bytes(source(case, rng))
    return path


# Round trips


@pytest.mark.parametrize("case", CASES)
def test_unchanged_pixels_come_out_as_they_went_in(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    path = make(tmp_path, case, rng)
    out = tmp_path / f"out{path.suffix}"
    images.write(out, images.read(path))
    mode, samples = decoded(path)
    mode_out, samples_out = decoded(out)
    assert mode_out == mode
    assert np.array_equal(samples_out, samples)
    if mode == "P":
        with Image.open(path) as a, Image.open(out) as b:
            colours = a.getpalette()
            assert b.getpalette()[: len(colours)] == colours
            assert np.array_equal(np.asarray(a.convert("RGBA")), np.asarray(b.convert("RGBA")))


@pytest.mark.parametrize("case", CASES)
def test_changing_some_pixels_leaves_the_others_alone(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    path = make(tmp_path, case, rng)
    picture = images.read(path)
    changed = np.zeros((HEIGHT, WIDTH), bool)
    changed[5:9, 3:10] = True
    pixels = torch.where(torch.from_numpy(changed), torch.rand(picture.pixels.shape) * 2 - 1, picture.pixels)
    out = tmp_path / f"out{path.suffix}"
    restored = picture.with_pixels(pixels)
    images.write(out, restored)
    mode, before = decoded(path)
    mode_out, after = decoded(out)
    assert mode_out == mode
    assert np.array_equal(after[~changed], before[~changed])
    assert not np.array_equal(after[changed], before[changed])
    reread = images.read(out)
    if picture.kind in ("gray", "colour", "cmyk"):
        seen = changed if picture.alpha is None else changed & (picture.alpha > 0)
        wanted = to_samples(pixels, picture.depth)
        assert np.array_equal(to_samples(reread.pixels, picture.depth)[seen], wanted[seen])
    if picture.alpha is not None:
        assert np.array_equal(reread.alpha, picture.alpha)


@pytest.mark.parametrize("depth", [8, 16])
def test_every_sample_value_survives_the_core(depth: int) -> None:
    values = np.arange(2**depth).astype(f"uint{depth}").reshape(-1, 1, 1)
    pixels = to_pixels(values)
    assert pixels.min() == -1
    assert pixels.max() == 1
    assert torch.equal(pixels.flatten()[:3], torch.tensor([0, 1, 2], dtype=torch.float32) / ((2**depth - 1) / 2) - 1)
    assert np.array_equal(to_samples(pixels, depth), values)


def test_samples_round_half_to_even_and_clip() -> None:
    pixels = torch.tensor([-3.0, -1 + 0.5 / 127.5, -1 + 1.5 / 127.5, -1 + 2.5 / 127.5, 1.5], dtype=torch.float64)
    exact = ((pixels.float() + 1) * 127.5).numpy()
    assert to_samples(pixels.float().reshape(1, 1, 5, 1), 8).flatten().tolist() == np.clip(np.rint(exact), 0, 255).tolist()


def test_kinds_and_channels(tmp_path: Path, rng: np.random.Generator) -> None:
    expected = {"bilevel png": ("bilevel", 1), "gray-alpha 16 png": ("gray", 1), "palette png": ("palette", 3)}
    expected |= {"rgba 16 tiff": ("colour", 3), "cmyk tiff": ("cmyk", 3)}
    for case, (kind, channels) in expected.items():
        picture = images.read(make(tmp_path, case, rng))
        assert (picture.kind, picture.pixels.shape[1]) == (kind, channels)
        assert picture.depth == (16 if "16" in case else 8)


def test_rgb_order_of_16_bits(tmp_path: Path) -> None:
    array = np.zeros((2, 2, 3), np.uint16)
    array[..., 2] = 65535  # red, as OpenCV counts
    (tmp_path / "a.png").write_bytes(opencv(".png", array))
    assert images.read(tmp_path / "a.png").pixels[0, :, 0, 0].tolist() == [1, -1, -1]


def test_colour_key_becomes_alpha(tmp_path: Path) -> None:
    gray = np.array([[10, 20], [20, 30]], np.uint8)
    (tmp_path / "a.png").write_bytes(pillow(Image.fromarray(gray), "PNG", transparency=20))
    picture = images.read(tmp_path / "a.png")
    assert picture.alpha.tolist() == [[255, 0], [0, 255]]
    assert picture.raw.tolist() == gray.tolist()
    deep = Image.fromarray(np.array([[10, 20], [20, 30]], np.uint16))
    (tmp_path / "b.png").write_bytes(pillow(deep, "PNG", transparency=20))
    assert images.read(tmp_path / "b.png").alpha.tolist() == [[65535, 0], [0, 65535]]


def test_16_bit_tiff_with_white_as_zero(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    array = random(rng, 1, 16)
    monkeypatch.setitem(tiff._PHOTOMETRIC, "gray", 0)
    (tmp_path / "a.tif").write_bytes(tiff.encode("gray", array, Metadata()))
    assert np.array_equal(images.read(tmp_path / "a.tif").raw, 65535 - array[..., 0])


def test_cmyk_jpeg_stays_cmyk(tmp_path: Path) -> None:
    flat = np.broadcast_to(np.array([200, 40, 90, 30], np.uint8), (16, 16, 4))
    image = Image.frombytes("CMYK", (16, 16), flat.tobytes())
    (tmp_path / "a.jpg").write_bytes(pillow(image, "JPEG", quality=95))
    images.write(tmp_path / "b.jpg", images.read(tmp_path / "a.jpg"))
    mode, samples = decoded(tmp_path / "b.jpg")
    assert mode == "CMYK"
    assert np.abs(samples.astype(int) - flat).max() <= 2


def test_jpeg_keeps_fine_tables_and_replaces_coarse_ones(tmp_path: Path, rng: np.random.Generator) -> None:
    image = Image.fromarray(random(rng, 3))
    for quality in (90, 30):
        (tmp_path / "a.jpg").write_bytes(pillow(image, "JPEG", quality=quality, subsampling=2))
        picture = images.read(tmp_path / "a.jpg")
        images.write(tmp_path / "b.jpg", picture, overwrite=True)
        kept = images.read(tmp_path / "b.jpg").jpeg
        assert (kept == picture.jpeg) == (quality == 90)
        if quality == 30:
            assert kept.subsampling == 0
    bigger = picture.with_pixels(torch.zeros(1, 3, 4 * HEIGHT, 4 * WIDTH))
    assert bigger.jpeg is None


def test_of_a_phones_jpeg_the_first_picture_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    (tmp_path / "a.jpg").write_bytes(pillow(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95))
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "MPO"
    red = to_pixels(np.full((16, 16, 3), (255, 0, 0), np.uint8))
    assert (images.read(tmp_path / "a.jpg").pixels - red).abs().max() < 0.03


def test_kinds_a_format_does_not_hold_are_widened(tmp_path: Path, rng: np.random.Generator) -> None:
    for case, suffix, mode in [
        ("bilevel png", ".jpg", "L"),
        ("bilevel png", ".webp", "RGB"),
        ("gray-alpha png", ".webp", "RGBA"),
        ("gray-alpha png", ".bmp", "RGBA"),
        ("palette-transparent png", ".tif", "RGBA"),
        ("palette png", ".webp", "RGB"),
        ("palette png", ".jpg", "RGB"),
    ]:
        path = make(tmp_path, case, rng)
        out = tmp_path / f"out{suffix}"
        images.write(out, images.read(path), overwrite=True)
        with Image.open(path) as before, Image.open(out) as after:
            assert after.mode == mode
            if suffix != ".jpg":
                assert np.array_equal(np.asarray(before.convert("RGBA")), np.asarray(after.convert("RGBA")))


def test_16_bits_become_8_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = np.array([[0, 257 * 7, 257 * 7 + 128, 257 * 7 + 129, 65535]], np.uint16)
    (tmp_path / "a.png").write_bytes(opencv(".png", array))
    with caplog.at_level(logging.WARNING, logger="restore"):
        images.write(tmp_path / "a.bmp", images.read(tmp_path / "a.png"))
    assert "8-bit" in caplog.text
    assert decoded(tmp_path / "a.bmp")[1].tolist() == [[0, 7, 7, 8, 255]]


# Palettes


def test_new_colours_take_unused_slots(rng: np.random.Generator) -> None:
    palette = np.array([[0, 0, 0, 255], [255, 255, 255, 255], [9, 9, 9, 255]], np.uint8)
    raw = np.array([[0, 1], [1, 0]], np.uint8)
    colours = palette[raw]
    colours[0, 0] = (200, 10, 20, 255)
    colours[0, 1] = (0, 0, 0, 255)
    index, grown = indices(colours, raw, palette)
    assert index.tolist() == [[2, 0], [1, 0]]
    assert grown.tolist() == [[0, 0, 0, 255], [255, 255, 255, 255], [200, 10, 20, 255]]


def test_a_full_palette_gives_the_nearest_colour() -> None:
    gray = np.arange(256, dtype=np.uint8)
    palette = np.stack([gray, gray, gray, np.full(256, 255, np.uint8)], axis=1)
    raw = np.concatenate([gray, gray]).reshape(2, 256)
    colours = palette[raw]
    colours[0, 0] = (100, 103, 102, 255)
    index, grown = indices(colours, raw, palette)
    assert np.array_equal(grown, palette)
    assert index[0, 0] == 102
    assert np.array_equal(index.reshape(-1)[1:], raw.reshape(-1)[1:])


def test_many_new_colours_are_represented(rng: np.random.Generator) -> None:
    ramp = np.linspace(0, 255, 4096).astype(np.uint8).reshape(64, 64)
    colours = np.dstack([ramp, 255 - ramp, rng.integers(0, 256, (64, 64)).astype(np.uint8), np.full((64, 64), 255, np.uint8)])
    index, grown = indices(colours, None, np.zeros((4, 4), np.uint8))
    assert len(grown) <= 256
    error = np.abs(grown[index].astype(int) - colours).mean()
    assert error < 8


# Alpha


def test_hidden_colour_does_not_leak(tmp_path: Path) -> None:
    array = np.zeros((40, 50, 4), np.uint8)  # black under full transparency
    array[10:30, 10:40] = (200, 120, 40, 255)
    array[25:30, 10:40, 3] = 128
    (tmp_path / "a.png").write_bytes(pillow(Image.fromarray(array), "PNG"))
    picture = images.read(tmp_path / "a.png")
    expected = to_pixels(np.full((40, 50, 3), (200, 120, 40), np.uint8))
    assert torch.equal(picture.pixels, expected)
    images.write(tmp_path / "b.png", picture.with_pixels(picture.pixels * 0.5))
    after = decoded(tmp_path / "b.png")[1]
    hidden = array[..., 3] == 0
    assert np.array_equal(after[hidden], array[hidden])
    assert after[20, 20].tolist() == [164, 124, 84, 255]


def test_hidden_colour_continues_smoothly(tmp_path: Path) -> None:
    across = np.linspace(0, 255, 64).astype(np.uint8)
    array = np.dstack([np.tile(across, (64, 1))] * 3 + [np.full((64, 64), 255, np.uint8)])
    array[20:44, 20:44] = 0
    (tmp_path / "a.png").write_bytes(pillow(Image.fromarray(array), "PNG"))
    filled = to_samples(images.read(tmp_path / "a.png").pixels, 8)[..., 0].astype(int)
    steps = np.abs(np.diff(filled, axis=1))
    assert steps.max() <= 40  # a black hole would step by up to 180
    assert np.abs(filled - across.astype(int)).max() <= 50


def test_wholly_transparent_is_mid_gray_to_the_core_and_untouched_on_file(tmp_path: Path, rng: np.random.Generator) -> None:
    array = random(rng, 4)
    array[..., 3] = 0
    (tmp_path / "a.png").write_bytes(pillow(Image.fromarray(array), "PNG"))
    picture = images.read(tmp_path / "a.png")
    assert picture.pixels.abs().max() < 0.01
    images.write(tmp_path / "b.png", picture)
    assert np.array_equal(decoded(tmp_path / "b.png")[1], array)


def test_another_size_resamples_alpha(tmp_path: Path) -> None:
    array = np.full((16, 16, 4), 90, np.uint8)
    array[:, :8, 3], array[:, 8:, 3] = 0, 255
    (tmp_path / "a.png").write_bytes(pillow(Image.fromarray(array), "PNG"))
    picture = images.read(tmp_path / "a.png")
    bigger = picture.with_pixels(torch.full((1, 3, 32, 32), 0.25))
    assert bigger.raw is None
    assert bigger.alpha.shape == (32, 32)
    assert (bigger.alpha[:, :13] == 0).all()
    assert (bigger.alpha[:, 19:] == 255).all()
    images.write(tmp_path / "b.png", bigger)
    assert (decoded(tmp_path / "b.png")[1][..., :3] == 159).all()  # nothing of the hidden 90
    smaller = picture.with_pixels(torch.zeros(1, 3, 8, 8))
    assert smaller.alpha[0].tolist() == [0, 0, 0, 0, 255, 255, 255, 255]


def test_reveal_shows_what_was_filled(tmp_path: Path, rng: np.random.Generator) -> None:
    path = make(tmp_path, "palette-transparent png", rng)
    picture = images.read(path)
    mask = images.mask_from_alpha(picture)
    assert torch.equal(mask[0, 0], torch.from_numpy(picture.alpha == 0))
    assert mask.any()
    filled = picture.with_pixels(torch.where(mask, torch.tensor([1.0, -1, -1]).reshape(1, 3, 1, 1), picture.pixels)).reveal(
        mask
    )
    images.write(tmp_path / "b.png", filled)
    with Image.open(path) as before, Image.open(tmp_path / "b.png") as after:
        assert after.mode == "P"
        a, b = np.asarray(before.convert("RGBA")), np.asarray(after.convert("RGBA"))
    where = mask[0, 0].numpy()
    assert (b[where] == (255, 0, 0, 255)).all()
    assert np.array_equal(a[~where], b[~where])


# Other pixels


def test_a_gray_picture_may_be_coloured_in(tmp_path: Path) -> None:
    gray = np.full((4, 4), 100, np.uint8)
    (tmp_path / "a.png").write_bytes(pillow(Image.fromarray(gray), "PNG", icc_profile=ICC, dpi=(300, 300)))
    picture = images.read(tmp_path / "a.png")
    colour = picture.with_pixels(torch.tensor([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4))
    assert colour.kind == "colour"
    assert colour.metadata.icc is None
    images.write(tmp_path / "b.png", colour)
    mode, samples = decoded(tmp_path / "b.png")
    assert mode == "RGB"
    assert (samples == (255, 128, 0)).all()  # 127.5 to even


@pytest.mark.parametrize("case", ["palette-small png", "bilevel png", "cmyk tiff", "rgb 16 png", "gray 16 tiff"])
def test_another_size_keeps_the_kind(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    path = make(tmp_path, case, rng)
    picture = images.read(path)
    value = torch.full((picture.pixels.shape[1], 1, 1), 0.4)
    out = tmp_path / f"out{path.suffix}"
    images.write(out, picture.with_pixels(value.expand(1, -1, 7, 9)))
    reread = images.read(out)
    assert (reread.kind, reread.depth, reread.size) == (picture.kind, picture.depth, (7, 9))
    expected = 1.0 if picture.kind == "bilevel" else 0.4
    assert (reread.pixels - expected).abs().max() <= 1 / 127.5


def test_pixels_that_are_no_picture_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    picture = images.read(make(tmp_path, "rgb png", rng))
    for shape in [(3, 4, 4), (2, 3, 4, 4), (1, 2, 4, 4), (1, 3, 0, 4)]:
        with pytest.raises(PictureError, match="expected"):
            picture.with_pixels(torch.zeros(shape))
    with pytest.raises(PictureError, match="not finite"):
        picture.with_pixels(torch.full((1, 3, 4, 4), float("nan")))


def test_arrays_of_a_picture_are_read_only(tmp_path: Path, rng: np.random.Generator) -> None:
    picture = images.read(make(tmp_path, "rgba png", rng))
    for array in (picture.raw, picture.alpha):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


# Metadata


def exif_block(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x010E] = orientation, "Maker", "a picture"
    inner = exif.get_ifd(0x8769)
    inner[0x829A], inner[40962], inner[40963] = 0.01, WIDTH, HEIGHT
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    return exif.tobytes()


def with_metadata(path: Path, array: np.ndarray, orientation: int = 1) -> None:
    deep = array.dtype == np.uint16
    xmp = XMP.replace(b'Orientation="1"', b'Orientation="%d"' % orientation)
    if path.suffix == ".tif":
        exif = load_exif(exif_block(orientation))
        metadata = Metadata(exif=exif.tobytes(), icc=ICC, xmp=xmp, dpi=(300, 150))
        path.write_bytes(tiff.encode("colour", array, metadata))
        return
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    text.add_text("Title", "grüße \u2603")
    image = Image.fromarray((array // 257).astype(np.uint8) if deep else array)
    options = {"exif": exif_block(orientation), "icc_profile": ICC, "dpi": (300, 150)}
    if path.suffix == ".png":
        options["pnginfo"] = text
    else:
        options["xmp"] = xmp
    if path.suffix == ".webp":
        options["lossless"] = True
        exif = load_exif(exif_block(orientation))
        exif[282], exif[283], exif[296] = 300, 150, 2
        options["exif"] = exif.tobytes()
    data = pillow(image, {".jpg": "JPEG"}.get(path.suffix, path.suffix[1:].upper()), **options)
    if deep:  # the samples by OpenCV, the chunks by Pillow
        samples = opencv(".png", array[..., ::-1])
        data = samples[:33] + data[33 : data.index(b"IDAT") - 4] + samples[33:]
    path.write_bytes(data)


@pytest.mark.parametrize("mode", ["keep", "strip"])
@pytest.mark.parametrize(
    ("name", "depth"), [("a.png", 8), ("a.png", 16), ("a.jpg", 8), ("a.tif", 8), ("a.tif", 16), ("a.webp", 8)]
)
def test_metadata_is_kept_or_stripped(mode: str, name: str, depth: int, tmp_path: Path, rng: np.random.Generator) -> None:
    path, out = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    with_metadata(path, random(rng, 3, depth))
    images.write(out, images.read(path), metadata=mode)
    with Image.open(out) as image:
        image.load()
        info, exif = image.info, image.getexif()
        inner, gps = dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825))
    assert info["icc_profile"] == ICC  # either way: the colours depend on it
    if mode == "strip":
        assert 0x010F not in exif
        assert inner == {}
        assert gps == {}
        assert "xmp" not in info
        assert "Title" not in info
        assert images.read(out).metadata.dpi is None
        return
    assert (exif[0x010F], exif[0x010E]) == ("Maker", "a picture")
    assert (float(inner[0x829A]), inner[40962], inner[40963]) == (0.01, WIDTH, HEIGHT)
    assert (gps[1], tuple(map(float, gps[2]))) == ("N", (1, 2, 3))
    assert info["xmp"] == XMP
    assert images.read(out).metadata.dpi == pytest.approx((300, 150), abs=0.02)
    if name == "a.png":
        assert info["Title"] == "grüße \u2603"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "depth"), [("a.png", 8), ("a.png", 16), ("a.tif", 8), ("a.tif", 16), ("a.webp", 8)])
def test_orientation_is_applied_and_reset(
    orientation: int, name: str, depth: int, tmp_path: Path, rng: np.random.Generator
) -> None:
    # Row 0 and column 0 of the stored array lie, on the upright picture: 1 top, left; 6 right, top; 8 left, bottom; and so on.
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    array = random(rng, 3, depth)
    assert np.array_equal(apply_orientation(array, orientation), turn(array))
    path, out = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    with_metadata(path, array, orientation)
    if name == "a.tif":  # the encoder under test writes orientation as it is told
        with Image.open(path) as image:
            assert image.getexif().get(0x0112) == orientation
    picture = images.read(path)
    assert np.array_equal(to_samples(picture.pixels, depth), turn(array))
    images.write(out, picture)
    with Image.open(out) as image:
        image.load()
        assert image.getexif().get(0x0112, 1) == 1
        assert image.info["xmp"] == XMP
        inner = image.getexif().get_ifd(0x8769)
        assert (inner[40962], inner[40963]) == ((HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT))
    again = images.read(out)
    assert torch.equal(again.pixels, picture.pixels)
    assert again.metadata.dpi == pytest.approx((150, 300) if orientation >= 5 else (300, 150), abs=0.02)


def test_jpeg_orientation_turns_the_picture(tmp_path: Path) -> None:
    array = np.zeros((16, 32, 3), np.uint8)
    array[:, :16] = 250
    (tmp_path / "a.jpg").write_bytes(pillow(Image.fromarray(array), "JPEG", exif=exif_block(6), quality=95))
    picture = images.read(tmp_path / "a.jpg")
    assert picture.size == (32, 16)
    assert (picture.pixels[..., :16, :] > 0.9).all()
    assert (picture.pixels[..., 16:, :] < -0.9).all()


def test_a_damaged_exif_block_does_not_lose_the_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.jpg").write_bytes(pillow(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff" + b"\1" * 30))
    assert images.read(tmp_path / "a.jpg").size == (8, 8)


def test_the_thumbnail_of_the_old_picture_goes(tmp_path: Path) -> None:
    exif = load_exif(exif_block())
    exif.get_ifd(1)[0x0201] = 1234
    (tmp_path / "a.jpg").write_bytes(pillow(Image.new("RGB", (8, 8)), "JPEG", exif=exif.tobytes()))
    images.write(tmp_path / "b.jpg", images.read(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif().get_ifd(1) == {}


def test_png_colour_chunks_are_carried(tmp_path: Path, rng: np.random.Generator) -> None:
    import struct

    for depth in (8, 16):
        data = opencv(".png", random(rng, 3, depth))
        extra = BytesIO()
        PngImagePlugin.putchunk(extra, b"gAMA", struct.pack(">I", 45455))
        PngImagePlugin.putchunk(extra, b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
        (tmp_path / "a.png").write_bytes(data[:33] + extra.getvalue() + data[33:])
        images.write(tmp_path / "b.png", images.read(tmp_path / "a.png"), metadata="strip", overwrite=True)
        with Image.open(tmp_path / "b.png") as image:
            assert image.info["gamma"] == 0.45455
            assert image.info["chromaticity"][2:4] == (0.68, 0.32)


@pytest.mark.parametrize("case", ["rgb png", "rgb 16 png", "gray-alpha 16 png", "palette png", "bilevel png", "rgb tiff"])
def test_the_record_is_in_the_text_of_a_png(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    path = make(tmp_path, case, rng)
    out = tmp_path / f"out{path.suffix}"
    record = '{"task": "inpaint", "note": "\u2603", "long": "' + "x" * 5000 + '"}'
    images.write(out, images.read(path), metadata="strip", record=record)
    assert images.read_record(path) is None
    assert images.read_record(out) == (record if path.suffix == ".png" else None)
    assert np.array_equal(decoded(out)[1], decoded(path)[1])
    if path.suffix == ".png":  # a second run does not inherit it
        images.write(tmp_path / "again.png", images.read(out))
        assert images.read_record(tmp_path / "again.png") is None


# Bad files


def bomb(width: int, height: int) -> bytes:
    data = pillow(Image.new("L", (1, 1)), "PNG")
    import struct

    file = BytesIO()
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return data[:8] + file.getvalue() + data[33:]


def end_of_png() -> bytes:
    file = BytesIO()
    PngImagePlugin.putchunk(file, b"IDAT", b"")
    PngImagePlugin.putchunk(file, b"IEND")
    return file.getvalue()


def animation(form: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    return pillow(frames[0], form, save_all=True, append_images=frames[1:])


noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
BAD = {
    "empty.png": (b"", "empty"),
    "text.png": (b"not a picture at all", "not a picture of a known format"),
    "short.png": (pillow(Image.fromarray(noise), "PNG")[:5000], "cut short"),
    "short.jpg": (pillow(Image.fromarray(noise), "JPEG")[:1500], "cut short"),
    "short.webp": (pillow(Image.fromarray(noise), "WEBP")[:500], "not a PNG|cut short"),
    "short.bmp": (pillow(Image.fromarray(noise), "BMP")[:5000], "cut short"),
    "short.tif": (tiff.encode("colour", noise, Metadata())[:5000], "cut short"),
    "short16.png": (opencv(".png", noise.astype(np.uint16) * 257)[:5000], "cut short"),
    "short16.tif": (tiff.encode("colour", noise.astype(np.uint16) * 256, Metadata())[:3000], "cut short"),
    "signature.png": (b"\x89PNG\r\n\x1a\n", "cut short"),
    "bomb.png": (bomb(30000, 20000), "600 megapixels"),
    "moving.png": (animation("PNG"), "animated"),
    "moving.webp": (animation("WEBP"), "animated"),
    "moving.gif": (animation("GIF"), "animated"),
    "pages.tif": (animation("TIFF"), "several pages"),
    "float.tif": (pillow(Image.fromarray(np.full((4, 4), 2, np.float32)), "TIFF"), "scale them to 0 to 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_error(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(PictureError, match=words) as caught:
        images.read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert ";" in message  # what to do
    assert capfd.readouterr() == ("", "")


def test_a_big_picture_below_the_limit_is_not_a_bomb(tmp_path: Path) -> None:
    # Its samples are missing; its size alone (90 megapixels) must not be what is complained about.
    (tmp_path / "big.png").write_bytes(bomb(9000, 10000) + end_of_png())
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(PictureError) as caught:
        images.read(tmp_path / "big.png")
    assert "megapixels" not in str(caught.value)
    assert before == Image.MAX_IMAGE_PIXELS


def test_folders_missing_files_and_pipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="a folder where a picture"):
        images.read(tmp_path)
    with pytest.raises(PictureError, match="no such file"):
        images.read(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="no such file"):
        images.read_record(tmp_path / "missing.png")
    endless = tmp_path / ("x" * 300 + ".png")
    for act in (images.read, lambda path: images.find([path]), lambda path: images.write(path, images.as_picture(noise))):
        with pytest.raises(PictureError, match="File name too long"):
            act(endless)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="not an ordinary file"):
        images.read(tmp_path / "pipe.png")


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(self: Path) -> bytes:  # permissions do not bind a superuser
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PictureError, match="Permission denied"):
        images.read(tmp_path / "a.png")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_gets_past_as_another_error(data: st.DataObject) -> None:
    import tempfile

    form = data.draw(st.sampled_from(["png", "jpg", "tif", "webp", "bmp"]))
    good = {
        "png": opencv(".png", noise[:8, :8].astype(np.uint16) * 257),
        "jpg": pillow(Image.fromarray(noise[:8, :8]), "JPEG", exif=exif_block()),
        "tif": tiff.encode("colour", noise[:8, :8].astype(np.uint16), Metadata(icc=ICC)),
        "webp": pillow(Image.fromarray(noise[:8, :8]), "WEBP"),
        "bmp": pillow(Image.fromarray(noise[:8, :8]), "BMP"),
    }[form]
    bad = bytearray(good)
    for position in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=4)):
        bad[position] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{form}")
        path.write_bytes(bytes(bad))
        with contextlib.suppress(PictureError):
            assert torch.isfinite(images.read(path).pixels).all()


def test_odd_profiles_make_no_noise(tmp_path: Path, rng: np.random.Generator, capfd: pytest.CaptureFixture[str]) -> None:
    image = Image.fromarray(random(rng, 1, 16)[..., 0])
    (tmp_path / "a.png").write_bytes(pillow(image, "PNG", icc_profile=ICC))  # an RGB profile on gray
    images.write(tmp_path / "b.png", images.read(tmp_path / "a.png"))
    with Image.open(tmp_path / "b.png") as out:
        assert out.info["icc_profile"] == ICC
    assert capfd.readouterr() == ("", "")


# Writing


def test_an_existing_file_is_not_overwritten(tmp_path: Path, rng: np.random.Generator) -> None:
    path = make(tmp_path, "rgb png", rng)
    picture = images.read(path)
    before = path.read_bytes()
    black = picture.with_pixels(torch.full_like(picture.pixels, -1))
    with pytest.raises(PictureError, match="exists already"):
        images.write(path, black)
    assert path.read_bytes() == before
    images.write(path, black, overwrite=True)
    assert not decoded(path)[1].any()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(UsageError, match="'kept' is unknown"):
        images.write(tmp_path / "b.png", black, metadata="kept")


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["write", "rename"])
def test_a_failure_leaves_nothing_behind(
    failure: BaseException, place: str, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path, "rgb png", rng)
    picture = images.read(path)
    before = path.read_bytes()

    def half(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[: len(data) // 2])
        raise failure

    def never(source: Path, target: Path) -> None:
        raise failure

    monkeypatch.setattr(*((Path, "write_bytes", half) if place == "write" else (os, "replace", never)))
    with pytest.raises(PictureError if isinstance(failure, OSError) else KeyboardInterrupt):
        images.write(path, picture.with_pixels(picture.pixels * 0), overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_targets_that_cannot_hold_the_picture_are_refused_early(tmp_path: Path, rng: np.random.Generator) -> None:
    def check(case: str, name: str, words: str) -> None:
        picture = images.read(make(tmp_path, case, rng))
        for act in (images.check_target, images.write):
            with pytest.raises(PictureError, match=words):
                act(tmp_path / name, picture)
        assert not (tmp_path / name).is_file()

    check("rgba png", "a.jpg", "no transparency; name a .png")
    check("palette-transparent png", "a.jpeg", "no transparency")
    check("cmyk tiff", "a.png", "no CMYK; name a .tif")
    check("gray-alpha 16 png", "a.tif", "PNG only")
    check("rgb png", "a.xyz", "'.xyz' names no known format")
    check("rgb png", "a", "names no known format")
    check("rgb png", "none/a.png", "does not exist; create it")
    (tmp_path / "folder.png").mkdir()
    check("rgb png", "folder.png", "is a folder")
    wide = images.read(make(tmp_path, "rgb png", rng)).with_pixels(torch.zeros(1, 3, 1, 16384))
    with pytest.raises(PictureError, match="16383 pixels a side"):
        images.check_target(tmp_path / "a.webp", wide)
    images.check_target(tmp_path / "a.png", wide)


def test_an_unwritable_folder_is_refused(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = images.read(make(tmp_path, "rgb png", rng))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permissions do not bind a superuser
    with pytest.raises(PictureError, match="cannot be written to"):
        images.write(tmp_path / "a.png", picture)


def test_opaque_alpha_may_go_into_a_jpeg(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(pillow(Image.new("RGBA", (8, 8), (10, 200, 30, 255)), "PNG"))
    images.write(tmp_path / "a.jpg", images.read(tmp_path / "a.png"))
    mode, samples = decoded(tmp_path / "a.jpg")
    assert mode == "RGB"
    assert np.abs(samples.astype(int) - (10, 200, 30)).max() <= 2


# Finding


def test_find_lists_folders_in_order_and_skips_the_rest(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "sub/c.TIF", "sub/deep/d.webp", "e.bmp", "notes.txt", ".hidden.png", ".git/f.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = images.find([tmp_path])
    assert [str(relative) for _, relative in found] == ["a.jpeg", "b.PNG", "e.bmp", "sub/c.TIF", "sub/deep/d.webp"]
    assert all(path == tmp_path / relative for path, relative in found)
    assert images.find([tmp_path / "notes.txt", tmp_path / "sub" / "c.TIF"]) == [
        (tmp_path / "notes.txt", Path("notes.txt")),
        (tmp_path / "sub" / "c.TIF", Path("c.TIF")),
    ]
    assert len(images.find([tmp_path, tmp_path / "e.bmp"])) == 5


def test_find_refuses_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such file or folder"):
        images.find([tmp_path / "missing"])
    with pytest.raises(PictureError, match="no pictures in this folder"):
        images.find([tmp_path])


# From a program


def test_as_picture_takes_what_a_program_holds(tmp_path: Path, rng: np.random.Generator) -> None:
    array = random(rng, 3)
    path = tmp_path / "a.png"
    path.write_bytes(pillow(Image.fromarray(array), "PNG"))
    expected = images.read(path).pixels
    for given_ in (path, str(path), Image.fromarray(array), array, torch.from_numpy(array).permute(2, 0, 1), images.read(path)):
        assert torch.equal(images.as_picture(given_).pixels, expected)
    floats = torch.rand(1, 3, 5, 6)
    assert torch.equal(images.as_picture(floats).pixels, floats * 2 - 1)
    rgba = np.dstack([array, np.where(np.arange(WIDTH) < 4, 0, 255).astype(np.uint8)[None].repeat(HEIGHT, 0)])
    for given_ in (rgba, Image.fromarray(rgba), rgba / 255.0):
        picture = images.as_picture(given_)
        assert (picture.alpha[:, :4] == 0).all()
        assert (picture.alpha[:, 4:] > 0).all()
    turned = Image.fromarray(array)
    turned.getexif()[0x0112] = 6
    assert torch.equal(images.as_picture(turned).pixels, to_pixels(np.rot90(array, -1)))
    deep = random(rng, 1, 16)[..., 0]
    assert np.array_equal(images.as_picture(Image.fromarray(deep)).raw, deep)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.bool])
@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (1, 1, 5, 6), (3, 5, 6), (1, 3, 5, 6)])
def test_a_tensor_comes_back_in_its_own_shape_and_type(kind, shape):
    tensor = (torch.arange(math.prod(shape)).reshape(shape) % 2).to(kind)
    back = images.like(tensor, images.as_picture(tensor))
    assert back.dtype == tensor.dtype
    assert torch.equal(back, tensor)


def test_a_mask_comes_back_true_where_it_is_nearer_to_white() -> None:
    dim = images.as_picture(np.array([[0, 127, 128, 255]], np.uint8))
    assert images.like(torch.zeros(1, 4, dtype=torch.bool), dim).tolist() == [[False, False, True, True]]
    assert images.like(np.zeros((1, 4), bool), dim).tolist() == [[False, False, True, True]]


def test_as_picture_refuses_the_rest() -> None:
    for given_ in (3, None, np.zeros((2, 3, 4, 5)), np.zeros((4, 4), np.int64), np.full((4, 4), 7.0), torch.zeros(2, 3, 4, 4)):
        with pytest.raises(PictureError):
            images.as_picture(given_)


def test_a_callers_array_is_neither_kept_nor_frozen(rng: np.random.Generator) -> None:
    array = random(rng, 3)
    picture = images.as_picture(array)
    before = picture.raw.copy()
    array[:] = 0
    assert np.array_equal(picture.raw, before)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tif", "out.webp", "out.bmp"])
def test_what_writing_will_take_is_tried_in_memory(rng, tmp_path, name):
    picture = images.as_picture(random(rng, 3))
    assert images.seconds_to_write(tmp_path / name, picture, 10**6) > 0
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_takes_no_time_to_write(rng, tmp_path):
    picture = images.as_picture(random(rng, 3))
    assert images.seconds_to_write(tmp_path / "out.xyz", picture, 10**6) == 0
