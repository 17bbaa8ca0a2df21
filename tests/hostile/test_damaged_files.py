"""Damaged, odd and hostile picture files: refused in one line, or read for what they are."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from restore import images
from restore.errors import OutOfMemoryError, PictureError
from restore.images.limits import MAX_PIXELS
from restore.images.unsupported import kind_of_file

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smooth(height: int = 48, width: int = 64, channels: int = 3) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 2).reshape(height, width, channels).astype(np.uint8)


def encoded(array: np.ndarray, form: str, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(array).save(file, form, **options)
    return file.getvalue()


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *between: tuple[bytes, bytes]) -> bytes:
    file = BytesIO()
    file.write(SIGNATURE)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    for name, data in between:
        PngImagePlugin.putchunk(file, name, data)
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(rows))
    PngImagePlugin.putchunk(file, b"IEND")
    return file.getvalue()


@pytest.fixture
def read(tmp_path: Path):
    def reader(data: bytes, name: str = "a.png", **keywords: object) -> images.Picture:
        (tmp_path / name).write_bytes(data)
        return images.read(tmp_path / name, **keywords)

    return reader


def test_no_flipped_bit_of_a_png_is_taken_for_a_pixel(read) -> None:
    array = smooth()
    data, rng = encoded(array, "PNG", dpi=(72, 72)), np.random.default_rng(1)
    refused = 0
    for bit in rng.choice(len(data) * 8, 300, replace=False):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << (bit % 8)
        try:
            assert np.array_equal(read(bytes(bad)).samples(), array), f"bit {bit}"
        except PictureError:
            refused += 1
    assert refused > 250  # Nearly all of the file are pixels.


def test_a_damaged_png_in_memory_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(smooth(), "PNG"))
    data[200] ^= 4
    (tmp_path / "a.png").write_bytes(bytes(data))
    with Image.open(tmp_path / "a.png") as image, pytest.raises(PictureError, match="damaged"):
        images.as_picture(image)


def test_damage_beside_the_pixels_is_left_out_with_a_warning(read, caplog) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    array = smooth()
    data = encoded(array, "PNG", pnginfo=text)
    assert read(data).metadata.text == (("Author", "somebody"),)
    assert not caplog.records
    picture = read(data.replace(b"somebody", b"somebodi"))
    assert np.array_equal(picture.samples(), array)
    assert picture.metadata.text == ()
    assert "tEXt are left out" in caplog.text


@pytest.mark.parametrize("profile", [b"name\0\0" + b"not compressed", b"name\0\1" + zlib.compress(bytes(200)), b""])
def test_a_broken_colour_profile_costs_the_profile_alone(profile: bytes, read, caplog) -> None:
    array = smooth()
    data = encoded(array, "PNG")
    extra = BytesIO()
    PngImagePlugin.putchunk(extra, b"iCCP", profile)
    picture = read(data[:33] + extra.getvalue() + data[33:])
    assert np.array_equal(picture.samples(), array)
    assert picture.metadata.icc is None
    assert "iCCP" in caplog.text


def test_a_healthy_png_is_read_without_a_word(read, caplog) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    picture = read(encoded(smooth(), "PNG", exif=exif))
    assert picture.metadata.exif is not None
    assert not caplog.records


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_gray_of_few_bits_is_found(bits: int, read, tmp_path: Path) -> None:
    most = 2**bits - 1
    levels = [0, most, most, 0] * 2
    row = int("".join(format(level, f"0{bits}b") for level in levels), 2).to_bytes(bits, "big")
    data = png(8, 1, bits, 0, b"\0" + row, (b"tRNS", struct.pack(">H", most)))
    expected = [0 if level == most else 255 for level in levels]
    picture = read(data)
    assert picture.alpha is not None
    assert picture.alpha[0].tolist() == expected
    with Image.open(tmp_path / "a.png") as image:
        assert images.as_picture(image).alpha[0].tolist() == expected


def bomb(side: int) -> bytes:
    packer = zlib.compressobj()
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    file = BytesIO()
    file.write(SIGNATURE)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"IDAT", rows)
    PngImagePlugin.putchunk(file, b"IEND")
    return file.getvalue()


def test_sizes_are_checked_in_the_header(read, monkeypatch) -> None:
    data, small = bomb(20000), encoded(smooth(8, 8), "PNG")
    assert len(data) < 60_000
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(PictureError, match="400 megapixels, more than the 100 allowed"):
        read(data)
    with images.limited(20000**2, 500_000_000), pytest.raises(OutOfMemoryError, match="takes 2400 MB"):
        read(data)
    with images.limited(63), pytest.raises(PictureError, match=r"more than the 6\.3e-05 allowed"):
        read(small)


def test_limits_hold_inside_alone(read) -> None:
    data = encoded(smooth(8, 8), "PNG")
    with images.limited(64):
        read(data)
    read(encoded(smooth(), "PNG"))
    assert MAX_PIXELS == 100_000_000


@pytest.mark.parametrize(
    ("start", "kind", "words"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC", r"diffusion-restore\[heic\]"),
        (b"\xff\x0a" + bytes(40), "JPEG XL", r"diffusion-restore\[jxl\]"),
        (b"8BPS\0\1" + bytes(40), "Photoshop", "Photoshop is not supported; convert"),
        (b"P6\n8 8\n255\n" + bytes(192), "PNM", "PNM is not supported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "SVG is not supported"),
        (b"%PDF-1.7" + bytes(40), "PDF", "PDF is not supported"),
        (b"BM" + bytes(60), "BMP", "this kind is not supported"),
        (b"\0\1\2\3" * 20, None, "not a picture of a known format"),
    ],
)
def test_a_kind_that_cannot_be_read_is_not_called_damaged(start: bytes, kind: str | None, words: str, read) -> None:
    assert kind_of_file(start) == kind
    with pytest.raises(PictureError, match=words):
        read(start)


@pytest.mark.parametrize("form", ["GIF", "AVIF", "JPEG2000"])
def test_still_pictures_of_other_formats_come_back(form: str, read, tmp_path: Path) -> None:
    array = smooth() // 64 * 64
    suffix = {"GIF": ".gif", "AVIF": ".avif", "JPEG2000": ".jp2"}[form]
    picture = read(encoded(array, form), f"a{suffix}")
    images.write(tmp_path / f"b{suffix}", picture)
    again = images.read(tmp_path / f"b{suffix}")
    if form == "AVIF":  # Lossy.
        assert np.abs(again.samples().astype(int) - picture.samples()).mean() < 2
    else:
        assert np.array_equal(again.samples(), picture.samples())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_float_tiffs_in_the_unit_range_become_16_bits(dtype: type, channels: int, read, caplog) -> None:
    values = (smooth(channels=channels) / 255).astype(dtype)
    _, data = cv2.imencode(".tif", values[..., ::-1])
    picture = read(data.tobytes(), "a.tif")
    assert picture.depth == 16
    assert np.abs(picture.samples() / 65535 - values).max() <= 0.5 / 65535 + 1e-7
    assert "become 16-bit" in caplog.text
    _, data = cv2.imencode(".tif", values[..., ::-1] * 300)
    with pytest.raises(PictureError, match="scale them to 0 to 1"):
        read(data.tobytes(), "a.tif")


@pytest.mark.parametrize(("form", "suffix"), [("TIFF", ".tif"), ("GIF", ".gif"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_pages_are_named_from_one_on(form: str, suffix: str, read) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = [Image.new("RGB", (16, 12), colour) for colour in colours]
    file = BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {}))
    name = f"a{suffix}"
    with pytest.raises(PictureError, match="give one as a PIL picture"):
        read(file.getvalue(), name)
    for number, colour in enumerate(colours, 1):
        assert read(file.getvalue(), name, page=number).samples()[0, 0].tolist() == list(colour)
    with pytest.raises(PictureError, match="there is no page 4; the file has 3"):
        read(file.getvalue(), name, page=4)


def test_pages_of_16_bits(read) -> None:
    pages = [smooth().astype(np.uint16) * 257 + shift for shift in (0, 1)]
    _, data = cv2.imencodemulti(".tif", [page[..., ::-1] for page in pages])
    for number, page in enumerate(pages, 1):
        assert np.array_equal(read(data.tobytes(), "a.tif", page=number).samples(), page)


def test_names_and_special_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no file can have this name"):
        images.read(Path("a\0b.png"))
    link = tmp_path / "log.png"
    link.symlink_to("/proc/self/status")  # Ordinary files, by their mode, without a size.
    if link.exists():
        with pytest.raises(PictureError, match="not an ordinary file, but /proc/"):
            images.read(link)
    (tmp_path / "empty.png").touch()
    with pytest.raises(PictureError, match="the file is empty"):
        images.read(tmp_path / "empty.png")


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_picture_in_memory_keeps_its_palette(transparent: bool) -> None:
    given = Image.fromarray(smooth()).quantize(16)
    if transparent:
        given.info["transparency"] = 3
    back = images.like(given, images.as_picture(given))
    assert back.mode == "P"
    assert np.array_equal(np.asarray(back.convert("RGBA"))[..., 3], np.asarray(given.convert("RGBA"))[..., 3])
    assert np.array_equal(np.asarray(back), np.asarray(given))
