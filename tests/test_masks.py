"""Masks as people draw them: what their values mean, the rim around them, and what of them is written."""

from __future__ import annotations

import json
import logging
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from photographs import SAMPLES, Shrinking, cheap, crop, scratches
from PIL import Image, ImageDraw, ImageFont
from toys import TOY, Command, files

from restore import images
from restore.errors import PictureError, UsageError

FILL = np.zeros((32, 48), bool)
FILL[8:24, 16:32] = True
SIZE = FILL.shape


def read(mask: object, size: tuple[int, int] = SIZE, **words: object) -> np.ndarray:
    found = images.read_mask(mask, size, **words)
    assert found.dtype == torch.bool
    assert found.shape == (1, 1, *size)
    return found[0, 0].numpy()


def gray(array: np.ndarray) -> np.ndarray:
    return array.astype(np.uint8) * np.uint8(255)


def text(height: int, width: int, size: int = 20) -> np.ndarray:
    """Lines of text with soft edges."""
    page = Image.new("L", (width, height))
    draw = ImageDraw.Draw(page)
    for top in range(6, height - size, 2 * size):
        draw.text((6, top), "The quick brown fox jumps over 12 lazy dogs", fill=255, font=ImageFont.load_default(size))
    return np.asarray(page)


def jpeg(array: np.ndarray, quality: int) -> Image.Image:
    file = BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality)
    return Image.open(file)


def layer(colour: tuple[int, int, int], cover: np.ndarray) -> Image.Image:
    """One colour on transparency."""
    return Image.fromarray(np.dstack([np.broadcast_to(np.uint8(colour), (*cover.shape, 3)), cover]))


# Values


def indexed(colours: list[int]) -> Image.Image:
    image = Image.fromarray(FILL.astype(np.uint8)).convert("L")
    image = Image.frombytes("P", image.size, FILL.astype(np.uint8).tobytes())
    image.putpalette(colours)
    return image


RED = np.where(FILL[..., None], np.uint8([255, 0, 0]), np.uint8(0))
TWO_VALUES = {
    "0 and 1": FILL.astype(np.uint8),
    "0 and 1 in a tensor": torch.from_numpy(FILL.astype(np.uint8))[None],
    "0 and 1 in an int64 tensor": torch.from_numpy(FILL.astype(np.int64)),
    "0 and 255 in int32": FILL.astype(np.int32) * 255,
    "0 and 255 in uint16": FILL.astype(np.uint16) * np.uint16(255),
    "0 and 65535": FILL.astype(np.uint16) * np.uint16(65535),
    "-1 and 1": np.where(FILL, 1.0, -1.0),
    "0 and 255 in float": np.where(FILL, 255.0, 0.0),
    "float16": FILL.astype(np.float16),
    "a float16 tensor": torch.from_numpy(FILL).half()[None, None],
    "a bfloat16 tensor": torch.from_numpy(FILL).bfloat16(),
    "bool": FILL,
    "one bit": Image.fromarray(FILL),
    "3 and 7": np.where(FILL, 7, 3).astype(np.uint8),
    "254 and 255": np.where(FILL, 255, 254).astype(np.uint8),
    "32-bit gray": Image.fromarray(FILL.astype(np.int32)),
    "red on black": RED,
    "dark blue on black": RED[..., ::-1] // 4,
    "red on black in floats": RED / 255,
    "white on red": np.where(FILL[..., None], np.uint8(255), np.uint8([255, 0, 0])),
    "red on transparency": layer((255, 0, 0), gray(FILL)),
    "black on transparency": layer((0, 0, 0), gray(FILL)),
    "half transparent white": layer((255, 255, 255), np.where(FILL, 128, 0).astype(np.uint8)),
    "palette": indexed([0, 0, 0, 255, 0, 0]),
    "palette of 0 and 1": indexed([0, 0, 0, 1, 1, 1]),
}


@pytest.mark.parametrize("mask", TWO_VALUES.values(), ids=TWO_VALUES)
def test_of_two_values_the_higher_is_filled(mask: object) -> None:
    assert np.array_equal(read(mask), FILL)
    assert np.array_equal(read(mask, invert=True), ~FILL)


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.jpg", "deep.png"])
def test_a_file_says_the_same(tmp_path: Path, name: str) -> None:
    array = FILL.astype(np.uint16) * np.uint16(255) if name == "deep.png" else gray(FILL) // (1 if name == "m.jpg" else 255)
    assert cv2.imwrite(str(tmp_path / name), array)
    assert np.array_equal(read(tmp_path / name), FILL)


def test_soft_edges_belong_to_the_hole() -> None:
    drawn = text(120, 300)
    found = read(drawn, drawn.shape)
    assert found[drawn >= 8].all()
    assert not found[drawn == 0].any()
    assert np.array_equal(read((drawn * 257.0 / 65535).astype(np.float32), drawn.shape), found)
    assert np.array_equal(read(drawn // 2, drawn.shape)[drawn >= 20], found[drawn >= 20])  # A gray brush.
    assert np.array_equal(read(layer((200, 30, 30), drawn), drawn.shape)[drawn >= 20], found[drawn >= 20])
    turned = read(255 - drawn, drawn.shape, invert=True)
    assert np.array_equal(turned, found)


@pytest.mark.parametrize("sigma", [1.5, 6, 15])
def test_a_feathered_mask_is_filled_as_far_as_it_reaches(sigma: float) -> None:
    square = np.zeros((160, 160), np.uint8)
    square[60:100, 60:100] = 255
    feathered = cv2.GaussianBlur(square, (0, 0), sigma)
    found = read(feathered, square.shape)
    reach = feathered / feathered.max()
    assert found[reach >= 9 / 255].all()
    assert not found[reach < 7 / 255].any()


def test_faint_spots_are_no_strokes() -> None:
    mask = gray(FILL)
    mask[2, 2], mask[28:31, 40:44], mask[8, 36] = 40, 20, 60
    assert np.array_equal(read(mask), FILL)


@pytest.mark.parametrize("quality", [40, 75, 95])
@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 0, 0)])
def test_the_ringing_of_a_jpeg_stays_out(quality: int, colour: tuple[int, int, int]) -> None:
    drawn = text(120, 300)
    picture = np.rint(drawn[..., None] / 255 * np.array(colour)).astype(np.uint8)
    found = read(jpeg(picture, quality), drawn.shape)
    far = cv2.distanceTransform((drawn == 0).astype(np.uint8), cv2.DIST_L2, 5)
    assert found[drawn >= 128].all()
    assert found[drawn >= 64].mean() > 0.995
    assert not found[far > (4 if max(colour) == min(colour) else 8)].any()  # Colours are kept at half the resolution.


def test_a_nearly_white_mask_and_one_with_a_gray_ground() -> None:
    noise = np.random.default_rng(0).integers(-9, 10, SIZE)
    assert np.array_equal(read((np.where(FILL, 200, 40) + noise // 3).astype(np.uint8)), FILL)
    assert read(np.clip(250 + noise, 0, 255).astype(np.uint8)).all()


def test_transparent_is_not_filled_and_black_beside_white_neither() -> None:
    array = np.full((2, 4, 4), 255, np.uint8)
    array[:, 2:, 3] = 0
    array[1, 1, :3] = 0
    assert read(array, (2, 4)).tolist() == [[True, True, False, False], [True, False, False, False]]


def test_a_mask_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("m.png", "m.jpg"):
        Image.fromarray(gray(np.repeat(np.repeat([[1, 0, 0], [0, 0, 0]], 16, 0), 16, 1))).save(tmp_path / name, exif=exif)
        found = read(tmp_path / name, (48, 32))
        assert found[:16, 16:].all()
        assert found.sum() == 16 * 16


REFUSED = {
    "black": (
        np.zeros(SIZE, np.uint8),
        {},
        r"the mask marks nothing: every pixel is 0 \(of 255\); white is filled, invert_mask=T",
    ),
    "one value": (np.ones(SIZE, np.uint8), {}, r"every pixel is 1 \(of 255\)"),
    "black of 16 bits": (np.full(SIZE, 300, np.uint16), {}, r"every pixel is 300 \(of 65535\)"),
    "white, inverted": (
        np.ones(SIZE, bool),
        {"invert": True},
        r"every pixel is 255 \(of 255\); with invert_mask=True black is",
    ),
    "a black JPEG": (
        jpeg(np.random.default_rng(0).integers(0, 9, (32, 48, 3), np.uint8), 90),
        {},
        r"marks nothing: its values lie between \d and \d+ \(of 255\)",
    ),
    "transparency alone": (layer((255, 255, 255), np.zeros(SIZE, np.uint8)), {}, "every pixel is 0"),
    "a label map": (
        np.arange(32 * 48).reshape(SIZE).astype(np.uint8) % 4,
        {},
        r"the mask has 4 values, all dark as those of a label map: its values lie between 0 and 3 \(of 255\);.*mask_label=N",
    ),
    "an absent label": (FILL.astype(np.int64) * 3, {"label": 2}, r"marks nothing: it holds no label 2; its labels are 0, 3"),
    "colours as labels": (RED, {"label": 1}, "is no label map"),
    "a picture's colours as labels": (Image.fromarray(RED), {"label": 1}, "one number a pixel, this mask is in colour"),
    "no numbers": (np.full(SIZE, np.nan), {}, "the mask holds NaN"),
    "too many numbers": (np.linspace(0, 255, 32 * 48).reshape(SIZE), {}, r"float samples from 0 to 255 are not a picture"),
    "another size": (FILL[:16], {}, r"the mask is 48x16 \(width x height\), the picture 48x32"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_marks_nothing_is_refused_with_its_values(case: tuple[object, dict[str, object], str]) -> None:
    mask, words, said = case
    with pytest.raises(PictureError, match=said) as caught:
        read(mask, **words)
    assert "\n" not in str(caught.value)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(PictureError, match=r"m\.png: the mask marks nothing"):
        read(tmp_path / "m.png")


LABELS = np.where(FILL, 2, np.arange(48)[None] // 24 * 5).astype(np.uint8)


@pytest.mark.parametrize("kind", ["file", "palette", "int64", "tensor", "float", "gray in RGB", "uint16"])
def test_a_label_is_filled(kind: str, tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "m.png")
    palette = Image.frombytes("P", (48, 32), LABELS.tobytes())
    palette.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    masks = {
        "file": tmp_path / "m.png",
        "palette": palette,
        "int64": LABELS.astype(np.int64),
        "tensor": torch.from_numpy(LABELS).long()[None],
        "float": LABELS.astype(np.float32),
        "gray in RGB": Image.fromarray(LABELS).convert("RGB"),
        "uint16": LABELS.astype(np.uint16),
    }
    for label in (0, 2, 5):
        assert np.array_equal(read(masks[kind], label=label), label == LABELS)
    assert np.array_equal(read(masks[kind], label=2, invert=True), ~FILL)
    bigger = read(masks[kind], (64, 96), label=2, resize=True)
    assert np.array_equal(bigger, FILL.repeat(2, axis=0).repeat(2, axis=1))


def test_a_mask_of_another_size_is_stretched() -> None:
    for mask in (gray(FILL), FILL.astype(np.uint8)):
        assert np.array_equal(read(mask, (64, 96), resize=True), FILL.repeat(2, axis=0).repeat(2, axis=1))


def test_grow_is_a_disc() -> None:
    array = np.zeros((15, 15), np.uint8)
    array[7, 7] = 255
    rows, columns = np.mgrid[:15, :15]
    for grow in (0, 1, 3, 5):
        assert np.array_equal(read(array, (15, 15), grow=grow), np.hypot(rows - 7, columns - 7) <= grow)
    assert read(array, (15, 15), invert=True, grow=2).all()  # Inverted first: the fill then grows over the single point.
    with pytest.raises(UsageError, match="grow"):
        read(array, (15, 15), grow=-1)


def test_a_mask_from_alpha_needs_transparent_pixels() -> None:
    with pytest.raises(PictureError, match="no transparency"):
        images.mask_from_alpha(images.as_picture(RED))
    with pytest.raises(PictureError, match=r"no pixel of the picture is fully transparent.*the least alpha is 3 \(of 255\)"):
        images.mask_from_alpha(images.as_picture(layer((9, 9, 9), np.full(SIZE, 3, np.uint8))))


# The rim


def grown(fill: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return images.grow_rim(torch.from_numpy(fill)[None, None], images.as_picture(picture).pixels)[0, 0].numpy()


def photograph(name: str) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(SAMPLES / "photos" / f"{name}.png"))[..., ::-1])


def exact(name: str, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    if name.endswith("%"):
        return rng.random((height, width)) < float(name[:-1]) / 100
    if name == "text":
        return text(height, width, 24) > 0
    if name == "scratches":
        return scratches("chelsea", 0, 0, 300)[:height, :width]
    fill = np.zeros((height, width), bool)
    fill[60:100, 40:160] = fill[150:260, 150:175] = fill[200:204, 20:120] = True
    return fill


@pytest.mark.parametrize("under", ["white", "black", "gray", "noise", "the picture"])
@pytest.mark.parametrize("kind", ["80%", "20%", "3%", "0.5%", "text", "scratches", "rectangles"])
def test_an_exact_mask_does_not_grow(kind: str, under: str) -> None:
    for name, top in (("chelsea", 0), ("astronaut", 100)):
        picture = photograph(name)[top : top + 300, :300].copy()
        fill = exact(kind, *picture.shape[:2])
        if under == "noise":
            picture[fill] = np.random.default_rng(2).integers(0, 256, (fill.sum(), 3))
        elif under != "the picture":
            picture[fill] = {"white": 255, "black": 0, "gray": 127}[under]
        assert np.array_equal(grown(fill, picture), fill)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 40, 40)])
def test_a_hard_mask_of_soft_text_grows_over_its_rim(name: str, colour: tuple[int, int, int]) -> None:
    picture = photograph(name)
    drawn = text(*picture.shape[:2], 24)
    share = drawn[..., None] / 255
    drawn_on = np.rint(picture * (1 - share) + share * np.array(colour)).astype(np.uint8)
    hard = drawn >= 128
    found = grown(hard, drawn_on)
    assert (found & hard).sum() == hard.sum()
    assert found[drawn > 8].mean() > 0.97
    far = cv2.distanceTransform((drawn == 0).astype(np.uint8), cv2.DIST_L2, 5)
    assert not found[far > 1.5].any()
    soft = drawn >= 8
    assert np.array_equal(grown(soft, drawn_on), soft)


def test_gray_and_deep_pictures_grow_alike() -> None:
    picture = photograph("chelsea").mean(axis=2)
    share = text(*picture.shape, 24) / 255
    values = picture * (1 - share) + 255 * share
    hard = share >= 0.5
    deep = grown(hard, np.rint(values * 257).astype(np.uint16))
    assert deep.sum() > hard.sum()
    assert (grown(hard, np.rint(values).astype(np.uint8)) ^ deep).mean() < 0.002


def test_the_whole_picture_and_a_tiny_one_do_not_grow() -> None:
    picture = crop("chelsea", 0, 0, 32)
    assert grown(np.ones((32, 32), bool), picture).all()
    for side in (1, 2, 5):
        fill = np.zeros((side, side), bool)
        fill[0, 0] = True
        assert np.array_equal(grown(fill, picture[:side, :side]), fill)


# The task


def damaged() -> tuple[np.ndarray, np.ndarray]:
    """A photograph with soft white text on it, and how much of each pixel that covers."""
    picture = crop("chelsea", 0, 0, 240)
    drawn = text(240, 240)
    share = drawn[..., None] / 255
    return np.rint(picture * (1 - share) + 255 * share).astype(np.uint8), drawn


def test_auto_is_the_default_and_the_share_is_said(caplog: pytest.LogCaptureFixture) -> None:
    picture, drawn = damaged()
    hard = gray(drawn >= 128)
    with caplog.at_level(logging.INFO, logger="restore"):
        result = cheap()("inpaint", picture, mask=hard, steps=2)
        plain = cheap()("inpaint", picture, mask=hard, steps=2, mask_grow=0)
    assert result.mask.shape == (1, 1, 240, 240)
    added = result.mask[0, 0].numpy().mean() - (drawn >= 128).mean()
    assert added > 0.02
    assert np.array_equal(plain.mask[0, 0].numpy(), drawn >= 128)
    said = [record.message for record in caplog.records if "fills" in record.message]
    whole, part = 100 * result.mask.float().mean(), 100 * added
    rim = f", {part:.1f} % of it a rim that resembles the damage (mask_grow=0 keeps it)"
    assert said == [
        f"mask fills {whole:.1f} % of the picture{rim}",
        f"mask fills {100 * (drawn >= 128).mean():.1f} % of the picture",
    ]
    assert result.record["options"]["mask_grow"] == "auto"
    outside = ~result.mask[0, 0].numpy()
    assert np.array_equal(result.image[outside], picture[outside])


def test_options_of_masks_are_checked() -> None:
    picture = crop("chelsea", 0, 0, 32)
    for words, said in (
        ({"mask_grow": "some"}, r"mask_grow: 'some' \(str\) is not a whole number or auto"),
        ({"mask_grow": -1}, "mask_grow: -1 is out of range; give 0 or more"),
        ({"mask_label": -1}, "mask_label: -1 is out of range"),
        ({"mask_label": 1.5}, "mask_label: 1.5"),
    ):
        with pytest.raises(UsageError, match=said):
            cheap()("inpaint", picture, mask=np.ones((32, 32), bool), **words)
    labels = np.arange(32 * 32).reshape(32, 32) // 256
    found = cheap()("inpaint", picture, mask=labels, mask_label=2, steps=2)
    assert np.array_equal(found.mask[0, 0].numpy(), labels == 2)
    assert cheap()("denoise", picture, sigma=10).mask is None
    assert isinstance(cheap().prior, Shrinking)


@pytest.fixture
def drawn(place: Path) -> np.ndarray:
    """In the working folder: in.png with text on it, m.png, its hard mask, and black.png."""
    picture, cover = damaged()
    cv2.imwrite("in.png", picture)
    cv2.imwrite("m.png", gray(cover >= 128))
    cv2.imwrite("black.png", np.zeros((240, 240), np.uint8))
    return cover


def test_write_mask_shows_what_was_filled(restore: Command, place: Path, drawn: np.ndarray) -> None:
    words = ["inpaint", "in.png", "--mask", "m.png", *TOY, "--json"]
    ran = restore(*words, "--write-mask", "filled.png", "--record")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["mask"] == "filled.png"
    filled = cv2.imread("filled.png", cv2.IMREAD_UNCHANGED)
    assert (filled.shape, filled.dtype, set(np.unique(filled))) == ((240, 240), np.uint8, {0, 255})
    assert (filled > 0).sum() > (drawn >= 128).sum()
    changed = (cv2.imread("in.inpaint.png") != cv2.imread("in.png")).any(axis=2)
    assert not changed[filled == 0].any()
    assert changed[filled > 0].mean() > 0.9
    # The mask written is exact: with it, and by the record, the same picture again.
    assert restore(*words, "-o", "again.png", "--write-mask", "same.png", "--mask", "filled.png").code == 0
    assert (place / "again.png").read_bytes() != b""
    assert (place / "same.png").read_bytes() == (place / "filled.png").read_bytes()
    assert np.array_equal(cv2.imread("again.png"), cv2.imread("in.inpaint.png"))
    assert restore("rerun", "in.inpaint.png", "-o", "rerun.png").code == 0
    assert np.array_equal(cv2.imread("rerun.png"), cv2.imread("in.inpaint.png"))


def test_write_mask_of_several_pictures_is_a_folder(restore: Command, place: Path, drawn: np.ndarray) -> None:
    (place / "pictures/deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        (place / "pictures" / name).write_bytes((place / "in.png").read_bytes())
    words = ["inpaint", "pictures", "--mask", "m.png", "-o", "out", *TOY]
    assert restore(*words, "--write-mask", "masks").code == 0
    assert [name for name in files(place) if name.startswith("masks/")] == ["masks/a.png", "masks/deep/b.png"]
    ran = restore(*words, "--write-mask", "one.png", "--overwrite")
    assert ran.code == 2
    assert "--write-mask one.png looks like a file, but there may be several results; name a folder" in ran.err


def test_write_mask_is_refused_where_it_would_do_harm(restore: Command, place: Path, drawn: np.ndarray) -> None:
    before = (place / "m.png").read_bytes()
    ran = restore("inpaint", "in.png", "--mask", "m.png", "--write-mask", "m.png", "--overwrite", *TOY)
    assert (ran.code, ran.out) == (2, "")
    assert "m.png is an input, and inputs are never written over" in ran.err
    assert (place / "m.png").read_bytes() == before
    ran = restore("inpaint", "in.png", "--mask", "m.png", "--write-mask", "black.png", *TOY)
    assert ran.code == 1
    assert "black.png exists already" in ran.err
    ran = restore("denoise", "in.png", "--sigma", "9", "--write-mask", "w.png", *TOY)
    assert ran.code == 1
    assert "denoise fills nothing that a mask could show; leave --write-mask out" in ran.err


def test_dry_run_says_the_share_and_refuses_a_black_mask(restore: Command, place: Path, drawn: np.ndarray) -> None:
    ran = restore("inpaint", "in.png", "--mask", "m.png", "--mask-grow", "2", "--dry-run")
    fill = read("m.png", (240, 240), grow=2)
    assert (ran.code, ran.out) == (0, "in.inpaint.png\n")
    assert ran.err.splitlines()[0] == f"mask fills {100 * fill.mean():.1f} % of the picture"
    ran = restore("inpaint", "in.png", "--mask", "black.png", "--dry-run")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: in.png: black.png: the mask marks nothing: every pixel is 0 (of 255); white is filled")
    assert len(ran.err.splitlines()) == 1
    assert "in.inpaint.png" not in files(place)
    ran = restore("inpaint", "in.png", "--mask", "m.png", "--mask-grow", "few")
    assert ran.code == 2
    assert "'few' is not a whole number or auto" in ran.err


def test_help_and_schema_have_the_options(restore: Command) -> None:
    said = " ".join(restore("inpaint", "--help").out.split())
    assert "--mask-grow auto|N" in said
    assert "--mask-label N" in said
    assert "--write-mask MASK.png" in said
    found = json.loads(restore("schema", "inpaint").out)["properties"]
    assert found["mask_grow"]["anyOf"] == [{"type": "integer", "minimum": 0}, {"enum": ["auto"]}]
    assert found["mask_grow"]["default"] == "auto"
    assert found["mask_label"]["type"] == ["integer", "null"]


def test_a_mask_may_be_an_array_in_a_file(tmp_path):
    fill = np.zeros((12, 16), bool)
    fill[3:6, 4:9] = True
    for array in (fill, fill.astype(np.uint8), fill.astype(np.float32), fill.astype(np.int64) * 7):
        np.save(tmp_path / "mask.npy", array)
        assert np.array_equal(images.read_mask(tmp_path / "mask.npy", (12, 16))[0, 0].numpy(), fill)
    np.save(tmp_path / "labels.npy", fill.astype(np.int64) * 3)
    assert np.array_equal(images.read_mask(tmp_path / "labels.npy", (12, 16), label=3)[0, 0].numpy(), fill)
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "mask.npy").read_bytes()[:90])
    for name in ("objects.npy", "cut.npy"):
        with pytest.raises(PictureError, match="no NumPy array can be read"):
            images.read_mask(tmp_path / name, (12, 16))
