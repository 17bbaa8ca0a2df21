"""Picture files through the command: what is written, bit for bit, and how good it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from photographs import SAMPLES, crop, noisy, photo, psnr, scratches
from PIL import Image, ImageCms
from toys import TOY, Command, files, process

from restore import images
from restore.operators import Downsample

HEIGHT, WIDTH = 40, 52
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[12:22, 20:37] = True


def colour(bits: int = 8) -> np.ndarray:
    picture = crop("coffee", 120, 150, 64)[:HEIGHT, :WIDTH]
    return picture if bits == 8 else picture.astype(np.uint16) * 257 - (picture > 3) * np.uint16(111)


def ramp() -> np.ndarray:
    return np.broadcast_to(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))


def pillow(image: Image.Image, path: Path, **keywords: object) -> None:
    image.save(path, **keywords)


def transparent_palette(path: Path) -> None:
    palette = Image.fromarray(colour()).quantize(20)
    palette.save(path, transparency=int(np.asarray(palette)[0, 0]))


KINDS = {
    "rgb8.png": lambda path: pillow(Image.fromarray(colour()), path),
    "rgb16.png": lambda path: cv2.imwrite(str(path), colour(16)[..., ::-1]),
    "rgb16.tif": lambda path: cv2.imwrite(str(path), colour(16)[..., ::-1]),
    "rgba16.png": lambda path: cv2.imwrite(str(path), np.dstack([colour(16), ramp().astype(np.uint16) * 257])),
    "gray8.png": lambda path: pillow(Image.fromarray(colour()[..., 1]), path),
    "gray16.png": lambda path: cv2.imwrite(str(path), colour(16)[..., 1]),
    "gray-alpha.png": lambda path: pillow(Image.fromarray(np.dstack([colour()[..., 1], ramp()])), path),
    "rgba8.png": lambda path: pillow(Image.fromarray(np.dstack([colour(), ramp()])), path),
    "palette.png": lambda path: pillow(Image.fromarray(colour()).quantize(20), path),
    "palette-transparent.png": transparent_palette,
    "bilevel.png": lambda path: pillow(Image.fromarray(colour()[..., 1] > 90), path),
    "rgb.bmp": lambda path: pillow(Image.fromarray(colour()), path),
    "lossless.webp": lambda path: pillow(Image.fromarray(colour()), path, lossless=True),
}


def opened(path: Path | str) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def raw(path: Path) -> np.ndarray:
    """The file's samples as they lie in it: palette entries as colours, alpha beside them."""
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read is not None
    return read if read.ndim == 3 else read[..., None]


@pytest.mark.parametrize("name", KINDS)
def test_outside_the_mask_files_keep_every_bit_and_their_kind(restore: Command, place: Path, name: str) -> None:
    given = place / name
    KINDS[name](given)
    pillow(Image.fromarray(HOLE), place / "mask.png")
    ran = restore("inpaint", name, "--mask", "mask.png", *TOY)
    assert (ran.code, ran.err.splitlines()[0]) == (0, "mask fills 8.2 % of the picture")
    made = place / ran.out.strip()
    before, after = raw(given), raw(made)
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    assert np.array_equal(after[~HOLE], before[~HOLE])
    assert not np.array_equal(after[HOLE], before[HOLE])
    if not name.endswith((".tif", ".webp")):
        assert opened(made).mode == opened(given).mode


def test_a_turned_photograph_with_profile_and_metadata(restore: Command, place: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # Orientation: turn clockwise to see it upright; maker.
    Image.fromarray(colour()).save("turned.png", exif=exif, icc_profile=profile, dpi=(240, 240))
    upright = np.rot90(colour(), -1)
    mask = np.zeros(upright.shape[:2], bool)
    mask[5:15, 8:30] = True
    pillow(Image.fromarray(mask), place / "mask.png")
    assert restore("inpaint", "turned.png", "--mask", "mask.png", *TOY).code == 0
    made = opened("turned.inpaint.png")
    assert np.array_equal(np.asarray(made)[~mask], upright[~mask])
    assert made.getexif().get(0x0112, 1) == 1
    assert made.getexif()[0x010F] == "a camera"
    assert made.info["icc_profile"] == profile
    assert restore("inpaint", "turned.png", "--mask", "mask.png", *TOY, "--metadata", "strip", "--overwrite").code == 0
    assert 0x010F not in opened("turned.inpaint.png").getexif()


def test_bad_options_of_the_tasks_leave_nothing_behind(restore: Command, place: Path) -> None:
    pillow(Image.fromarray(HOLE), place / "mask.png")
    pillow(Image.fromarray(colour()), place / "hints.png")
    (place / "text.png").write_text("no picture")
    before = files(place)
    cases = {
        "inpaint img.png --mask mask.png": (1, "the mask is 52x40 (width x height), the picture 16x12"),
        "inpaint img.png --mask text.png": (1, "text.png"),
        "inpaint img.png": (2, "inpaint needs a mask: --mask FILE (white is filled), or --mask-from alpha"),
        "inpaint img.png --mask-from alpha": (1, "img.png: the picture has no transparency to take the mask from"),
        "colorize img.png --hints hints.png": (1, "hints are 52x40 pixels but the picture is 16x12"),
        "colorize hints.png --hints hints.png": (1, "hints have no transparency"),
        "super-resolution img.png --scale 1": (2, "--scale"),
        "denoise img.png --sigma -3": (2, "--sigma"),
        "denoise text.png": (1, "text.png"),
        "inpaint img.png --mask mask.png --resize-mask --guidance repiant": (2, "did you mean 'repaint'"),
        "super-resolution img.png --guidance repaint": (2, "RePaint needs a Mask operator, got Downsample"),
    }
    for words, (code, said) in cases.items():
        ran = restore(*words.split(), *TOY)
        errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
        assert (ran.code, ran.out, len(errors)) == (code, "", 1), (words, ran)
        assert said in errors[0], words
        assert "Traceback" not in ran.err
        assert files(place) == before


# The same bytes


@pytest.mark.bfloat16
def test_the_same_command_twice_gives_the_same_bytes(restore: Command, place: Path) -> None:
    """In two processes: this one, and one of its own."""
    shutil.copy(SAMPLES / "degraded" / "chelsea-x4.png", place / "small.png")
    words = ("super-resolution", "small.png", "--scale", "2", "--steps", "2", "--device", "cpu", "-o")
    running = process(place, *words, "two.png")
    told, err = running.communicate(timeout=120)
    assert (running.returncode, told) == (0, "two.png\n"), err
    assert restore(*words, "one.png").code == 0
    assert (place / "one.png").read_bytes() == (place / "two.png").read_bytes()


def test_neither_order_nor_company_changes_a_picture(restore: Command, place: Path) -> None:
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        (place / "in").mkdir(exist_ok=True)
        pillow(Image.fromarray(colour()), place / "in" / name)
    pillow(Image.fromarray(HOLE), place / "mask.png")
    words = ["--mask", "mask.png", "--guidance", "ddnm", *TOY]
    assert restore("inpaint", "in", "-o", "all", *words).code == 0
    assert restore("inpaint", *[f"in/{name}" for name in reversed(names)], "-o", "back", *words).code == 0
    for name in names:
        assert restore("inpaint", f"in/{name}", "-o", f"alone-{name}", *words).code == 0
    made = {folder: [(place / folder / name).read_bytes() for name in names] for folder in ("all", "back")}
    assert made["all"] == made["back"] == [(place / f"alone-{name}").read_bytes() for name in names]
    # Alike pictures, but each its own noise.
    assert len(set(made["all"])) == 3
    assert restore("inpaint", "in/a.png", "-o", "seed.png", *words, "--seed", "1").code == 0
    assert (place / "seed.png").read_bytes() != made["all"][0]


# How good it is, with the bundled prior


@pytest.mark.bfloat16
@pytest.mark.parametrize(("name", "top", "left"), [("chelsea", 64, 64), ("chelsea", 96, 160), ("coffee", 128, 128)])
def test_scratches_are_filled_better_than_by_opencv(name: str, top: int, left: int) -> None:
    clean, mask = crop(name, top, left), scratches(name, top, left)
    given = clean.copy()
    given[mask] = 255
    found = photo(None)("inpaint", given, mask=mask).image
    assert np.array_equal(found[~mask], given[~mask])
    marked = mask.astype(np.uint8)
    for method in (cv2.INPAINT_NS, cv2.INPAINT_TELEA):
        assert psnr(found, clean, mask) > psnr(cv2.inpaint(given, marked, 3, method), clean, mask) + 0.5


@pytest.mark.bfloat16
@pytest.mark.parametrize(("name", "top", "left"), [("chelsea", 64, 64), ("astronaut", 96, 160), ("coffee", 128, 128)])
def test_noise_is_taken_out_two_decibels_better_than_by_non_local_means(name: str, top: int, left: int) -> None:
    clean = crop(name, top, left)
    given = noisy(clean, 25)
    found = photo(None)("denoise", given).image
    strengths = (10, 15, 20, 25)
    others = [cv2.fastNlMeansDenoisingColored(given[..., ::-1].copy(), None, h, h, 7, 21)[..., ::-1] for h in strengths]
    assert psnr(found, clean) > max(psnr(other, clean) for other in others) + 2


@pytest.mark.parametrize("scale", [pytest.param(2, marks=pytest.mark.bfloat16), 4])
def test_larger_pictures_are_better_than_bicubic_ones(scale: int) -> None:
    clean = crop("chelsea", 96, 160)
    size = (128, 128)
    pixels = Downsample(size, scale)(images.as_picture(clean).pixels)
    small = images.as_picture(clean).with_pixels(pixels).samples()
    found = photo(None)("super-resolution", small, scale=scale).image
    bicubic = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    assert psnr(found, clean) > psnr(bicubic, clean) + 0.2


def test_a_lossy_file_stays_near_its_known_pixels(restore: Command, place: Path) -> None:
    Image.fromarray(colour()).save("a.jpg", quality=95)
    pillow(Image.fromarray(HOLE), place / "mask.png")
    assert restore("inpaint", "a.jpg", "--mask", "mask.png", *TOY).code == 0
    before, after = (np.asarray(opened(name)).astype(int) for name in ("a.jpg", "a.inpaint.jpg"))
    far = cv2.dilate(HOLE.astype(np.uint8), np.ones((33, 33))) == 0
    assert np.abs(after - before)[far].max() <= 6
    assert opened("a.inpaint.jpg").format == "JPEG"


@pytest.mark.parametrize("task", ["denoise", "inpaint", "super-resolution"])
def test_gray_pictures_saved_as_colour_come_back_without_a_tint(task):
    """R = G = B, as in scans: a colour prior would tint them."""
    gray = crop("astronaut", 100, 100, 48).mean(axis=2)
    noisy = gray + 12 * np.random.default_rng(0).standard_normal(gray.shape)
    given = np.repeat(noisy.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    mask = np.zeros((48, 48), np.uint8)
    mask[10:20, 12:30] = 255
    options = {"inpaint": {"mask": mask, "grain": "none", "sigma": 12}, "super-resolution": {"scale": 2}}.get(task, {})
    found = photo()(task, given, **options).image
    assert found.shape[2] == 3
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])
    assert not np.array_equal(found[:48, :48], given)
