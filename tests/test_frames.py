"""Files with several frames or pages: every one is restored, and the file comes back as what it was."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from toys import TOY, Command, files

from restore import images
from restore.errors import PictureError
from restore.images import frames

DURATIONS = [40, 120, 250]


def pictures(count: int = 3, channels: int = 3) -> list[np.ndarray]:
    """Frames of a few colours, which a palette holds exactly."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 4, (12, 16, channels)).astype(np.uint8) * 85 for _ in range(count)]


def animate(path: Path, arrays: list[np.ndarray], loop: int = 2) -> Path:
    first, *others = [Image.fromarray(array) for array in arrays]
    lossless = {"lossless": True} if path.suffix == ".webp" else {"quality": 100} if path.suffix == ".avif" else {}
    first.save(path, save_all=True, append_images=others, duration=DURATIONS[: len(arrays)], loop=loop, **lossless)
    return path


def shown(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(np.asarray(image.convert("RGBA")))
        return found


def copy(source: Path, target: Path, **keywords: object) -> None:
    """Read all frames and write them as they are."""
    data = source.read_bytes()
    file = frames.Frames(target, data, str(source))
    for page in range(1, frames.count(data, str(source)) + 1):
        file.add(images.read(source, page=page))
    file.write(**keywords)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_an_animation_that_is_not_changed_comes_back(suffix: str, channels: int, tmp_path: Path) -> None:
    arrays = pictures(channels=channels)
    if channels == 4:
        for array in arrays:
            array[..., 3] = np.where(array[..., 3] < 128, 0, 255)
            array[array[..., 3] == 0] = 0
    source = animate(tmp_path / f"a{suffix}", arrays)
    copy(source, tmp_path / f"b{suffix}")
    given, written = shown(source), shown(tmp_path / f"b{suffix}")
    assert len(written) == 3
    for one, other in zip(given, written, strict=True):
        if suffix == ".avif":  # Lossy.
            assert np.abs(one[one[..., 3] > 0].astype(int) - other[one[..., 3] > 0]).mean() < 4
        else:
            assert np.array_equal(one[one[..., 3] > 0], other[one[..., 3] > 0])
            assert np.array_equal(one[..., 3], other[..., 3])
    timings = [frames.Timing.of(path.read_bytes(), str(path)) for path in (source, tmp_path / f"b{suffix}")]
    assert timings[0] == timings[1]
    assert timings[1].durations == tuple(DURATIONS)
    assert timings[1].loop == (None if suffix == ".avif" else 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_pages_keep_their_depth_sizes_and_metadata(dtype: type, channels: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shapes = [(12, 16), (7, 5), (9, 30)]
    arrays = [rng.integers(0, np.iinfo(dtype).max + 1, (*shape, channels)).astype(dtype) for shape in shapes]
    done, data = cv2.imencodemulti(".tif", [array[..., ::-1] for array in arrays])
    assert done
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    source.write_bytes(data.tobytes())
    copy(source, target)
    for page, array in enumerate(arrays, 1):
        picture = images.read(target, page=page)
        assert (picture.depth, picture.kind) == (np.iinfo(dtype).bits, "gray" if channels == 1 else "colour")
        assert np.array_equal(picture.samples(), array)
    with Image.open(target) as image:
        assert image.n_frames == 3


def test_a_page_keeps_its_own_exif(tmp_path: Path) -> None:
    picture, pages = images.as_picture(pictures(1)[0]), []
    for number in (1, 2):
        exif = Image.Exif()
        exif[0x010F] = f"maker {number}"
        exif.get_ifd(0x8769)[0x829A] = number / 8  # Exposure, in a directory of its own.
        file = BytesIO()
        Image.fromarray(picture.samples()).save(file, "JPEG", exif=exif)
        pages.append(images.decode(file.getvalue(), "a.jpg"))
    file = frames.Frames(tmp_path / "a.tif", b"II*\0", "a.tif")
    for page in pages:
        file.add(page)
    file.write()
    with Image.open(tmp_path / "a.tif") as image:
        for number in (1, 2):
            image.seek(number - 1)
            assert image.getexif()[0x010F] == f"maker {number}"
            assert float(image.getexif().get_ifd(0x8769)[0x829A]) == number / 8


def test_all_frames_together_are_bound_by_the_limit(tmp_path: Path) -> None:
    data = animate(tmp_path / "a.png", pictures()).read_bytes()
    with images.limited(3 * 12 * 16):
        assert frames.count(data, "a.png") == 3
    with images.limited(3 * 12 * 16 - 1), pytest.raises(PictureError, match="3 frames of 16x12 are"):
        frames.count(data, "a.png")


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif", ".tif"])
def test_every_frame_is_restored_as_it_would_be_alone(suffix: str, restore: Command, place: Path) -> None:
    if suffix == ".tif":
        done, data = cv2.imencodemulti(".tif", [array[..., ::-1].astype(np.uint16) * 257 for array in pictures()])
        assert done
        (place / "a.tif").write_bytes(data.tobytes())
    else:
        animate(place / f"a{suffix}", pictures())
    ran = restore("soften", f"a{suffix}", "--frames", "all", "--record", "--json", *TOY, "-o", f"b{suffix}")
    assert (ran.code, ran.err.count("error")) == (0, 0)
    assert json.loads(ran.out)["frames"] == 3
    alone = "png" if suffix != ".tif" else "tif"
    for page in (1, 2, 3):
        words = ["--page", str(page), "--format", alone, "-o", f"{page}.{alone}", "--record"]
        assert restore("soften", f"a{suffix}", *words, *TOY).code == 0
        expected, found = images.read(place / f"{page}.{alone}"), images.read(place / f"b{suffix}", page=page)
        if suffix in (".png", ".webp", ".tif"):
            assert (found.depth, found.samples().tolist()) == (expected.depth, expected.samples().tolist())
        else:  # 256 colours, or lossy.
            assert np.abs(found.samples().astype(int) - expected.samples()).mean() < 12
    again = restore("rerun", f"b{suffix}", "-o", f"c{suffix}")
    assert again.code == 0, again.err
    assert (place / f"c{suffix}").read_bytes() == (place / f"b{suffix}").read_bytes()
    assert restore("rerun", f"2.{alone}", "-o", f"again.{alone}").code == 0  # A record keeps the page.
    assert (place / f"again.{alone}").read_bytes() == (place / f"2.{alone}").read_bytes()


def test_animated_avif_files_keep_no_time_of_writing(tmp_path: Path) -> None:
    source = animate(tmp_path / "a.avif", pictures())
    copy(source, tmp_path / "b.avif")
    data = (tmp_path / "b.avif").read_bytes()
    for name, count in ((b"mvhd", 1), (b"tkhd", 1), (b"mdhd", 1)):
        assert data.count(name) == count
        place = data.index(name) + 4
        times = slice(place + 4, place + (20 if data[place] == 1 else 12))
        assert not any(data[times])
    assert len(shown(tmp_path / "b.avif")) == 3


def test_one_mask_serves_all_frames_and_stills_are_stills(restore: Command, place: Path) -> None:
    (place / "in").mkdir()
    animate(place / "in/a.png", pictures())
    Image.fromarray(pictures(1)[0]).save(place / "in/b.jpg")
    mask = np.zeros((12, 16), np.uint8)
    mask[4:6, 3:9] = 255
    Image.fromarray(mask).save(place / "mask.png")
    ran = restore("patch", "in", "--mask", "mask.png", "--frames", "all", "--json", "-o", "out", *TOY)
    assert ran.code == 0, ran.err
    assert [json.loads(line)["frames"] for line in ran.out.splitlines()] == [3, 1]
    for given, made in zip(shown(place / "in/a.png"), shown(place / "out/a.png"), strict=True):
        assert np.array_equal(given[mask == 0], made[mask == 0])
        assert not np.array_equal(given[mask > 0], made[mask > 0])
    planned = restore("patch", "in/a.png", "--mask", "mask.png", "--frames", "all", "--plan", "--json", *TOY)
    single = restore("patch", "in/a.png", "--mask", "mask.png", "--page", "1", "--plan", "--json", *TOY)
    counts = [json.loads(ran.out)["estimate"]["evaluations"] for ran in (planned, single)]
    assert counts[0] == 3 * counts[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--page", "2"], "leave one of them out"),
        (["--uncertainty", "m.png", "--samples", "2"], "show one picture"),
        (["--contact-sheet", "s.png", "--samples", "2"], "show one picture"),
        (["--write-mask", "m.png"], "show one picture"),
        (["-o", "-"], "standard output"),
        (["--format", "jpg"], "holds one frame"),
        (["-o", "b.jpg"], "holds one frame"),
        (["-o", "b.tif"], "frames go into"),
    ],
)
def test_what_cannot_hold_frames_is_refused_in_one_line(words: list[str], said: str, restore: Command, place: Path) -> None:
    animate(place / "a.gif", pictures())
    before = files(place)
    ran = restore("soften", "a.gif", "--frames", "all", *words, *TOY)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert said in ran.err
    assert files(place) == before
