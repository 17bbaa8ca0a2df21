"""Cells of JPEG coefficients: what files say, and projections on it."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from restore import images
from restore.errors import OperatorError
from restore.images.samples import apply_orientation
from restore.operators.cell_plane import CellPlane
from restore.operators.jpeg import TO_YCC, from_blocks, tables, to_blocks
from restore.operators.jpeg_cells import JPEGCells

KINDS = [("gray", False), (0, False), (1, False), (2, False), (2, True), ("gray", True)]


def original(height, width, channels=3, seed=0, contrast=2.0):
    """A smooth random picture, uint8, partly clipped."""
    noise = np.random.default_rng(seed).random((height, width, channels)).astype(np.float32) * 255
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5).reshape(height, width, channels)
    samples = ((smooth - 128) * contrast + 128).clip(0, 255).astype(np.uint8)
    return samples[..., 0] if channels == 1 else samples


def compressed(samples, quality=30, orientation=1, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    Image.fromarray(samples).save(data, "JPEG", quality=quality, exif=exif, **options)
    return images.as_picture(Image.open(io.BytesIO(data.getvalue())))


def pair(kind, progressive=False, height=90, width=70, quality=30, seed=0, orientation=1):
    """Pixels before compression, the decoded picture, and its cells."""
    samples = original(height, width, 1 if kind == "gray" else 3, seed)
    options = {"progressive": progressive} | ({} if kind == "gray" else {"subsampling": kind})
    picture = compressed(samples, quality, orientation, **options)
    before = images.as_picture(np.ascontiguousarray(apply_orientation(samples, orientation))).pixels
    return before, picture.pixels, picture.jpeg.cells()


def ycc(x):
    """In grey levels, the norm in which projections are nearest."""
    return x * 127.5 if x.shape[1] == 1 else torch.einsum("ij,bjhw->bihw", torch.tensor(TO_YCC).to(x), x * 127.5)


def distance(a, b):
    return float(ycc(a.double() - b.double()).norm())


def test_blocks_and_their_inverse():
    x = torch.randn(2, 3, 16, 24, dtype=torch.float64)
    coefficients = to_blocks(x)
    assert coefficients.shape == (2, 3, 2, 3, 8, 8)
    torch.testing.assert_close(from_blocks(coefficients), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(coefficients.square().sum(), x.square().sum())
    torch.testing.assert_close(coefficients[..., 0, 0], x.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).mean((-3, -1)) * 8)


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
def test_the_indices_are_those_that_an_encoder_rounds_to(kind, progressive):
    """Encoders differ in their DCT and conversion by less than a grey level in a sample, which is 1.5 in few coefficients."""
    before, _, cells = pair(kind, progressive, 96, 80)
    planes = ycc(before) - (0.5 if kind == "gray" else torch.tensor([0.5, 0, 0]).reshape(1, 3, 1, 1))
    for i, plane in enumerate(cells.planes):
        samples = torch.nn.functional.avg_pool2d(planes[:, i : i + 1], plane.ratio)
        wanted = to_blocks(samples)[0, 0] / plane.table
        assert plane.known.all()
        assert ((plane.index - wanted).abs() * plane.table).max() <= (plane.table / 2 + 3).max()
        assert (((plane.index - wanted).abs() - 0.5) * plane.table).max() <= 3
        assert (plane.index != wanted.round()).float().mean() < 0.02


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
@pytest.mark.parametrize("width", [1.0, 0.6])
def test_projecting_again_changes_nothing(kind, progressive, width):
    _, decoded, cells = pair(kind, progressive, 96, 80)
    cells = cells.with_width(width)
    x = decoded + 0.3 * torch.randn(decoded.shape, generator=torch.Generator().manual_seed(1))
    once = cells.project(x)
    assert (once - x).abs().max() > 0.05
    # Coefficients up to 1024 with float32's 24 bits, through two transforms of 64 samples.
    assert (cells.project(once) - once).abs().max() * 127.5 < 1024 * 2**-24 * 2 * 64


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
def test_projecting_again_changes_little_where_blocks_reach_beyond_the_picture(kind, progressive):
    """Gradient steps find what lies outside; they stop before the end."""
    _, decoded, cells = pair(kind, progressive)
    x = decoded + 0.05 * torch.randn(decoded.shape, generator=torch.Generator().manual_seed(1))
    once = cells.project(x)
    again = ycc(cells.project(once) - once).abs()
    assert again[..., :80, :64].max() < 0.01
    assert again.max() < 0.5


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
def test_the_original_is_near_its_cells(kind, progressive):
    """An encoder rounds samples of luma and chroma to integers: 0.29 grey levels of root mean square in each."""
    before, _, cells = pair(kind, progressive)
    moved = ycc(cells.project(before) - before)
    assert moved.square().mean().sqrt() < 0.29
    assert moved.abs().max() < 2


@pytest.mark.parametrize("kind", ["gray", 0])
def test_what_the_decoder_shows_is_in_the_cells(kind):
    """To its rounding and clipping; only chroma at full size is not interpolated."""
    _, decoded, cells = pair(kind, quality=60)
    inside = decoded.abs().amax() < 0.9
    moved = ycc(cells.project(decoded) - decoded)
    assert moved.square().mean().sqrt() < 0.5, inside


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
def test_projection_comes_nearer_to_every_point_of_the_cells(kind, progressive):
    before, decoded, cells = pair(kind, progressive)
    generator = torch.Generator().manual_seed(2)
    points = [cells.project(decoded + spread * torch.randn(decoded.shape, generator=generator)) for spread in (0.0, 0.1, 1.0)]
    for x in (decoded.flip(-1), torch.randn(decoded.shape, generator=generator), before):
        projected = cells.project(x)
        for point in points:
            # Pythagoras for convex sets: |x - p|^2 >= |x - P x|^2 + |P x - p|^2.
            legs = distance(x, projected) ** 2 + distance(projected, point) ** 2
            assert legs <= distance(x, point) ** 2 * (1 + 1e-3) + 1


def test_cells_of_several_pictures_are_those_of_each():
    _, decoded, cells = pair(2)
    x = torch.cat([decoded, decoded.flip(-1), 0.5 * decoded])
    singles = torch.cat([cells.project(one[None]) for one in x])
    torch.testing.assert_close(cells.project(x), singles, atol=1e-3, rtol=0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_projected_as_it_lies_in_the_file(orientation):
    before, decoded, cells = pair(2, orientation=orientation)
    assert tuple(decoded.shape[-2:]) == ((70, 90) if orientation >= 5 else (90, 70))
    assert ycc(cells.project(before) - before).square().mean().sqrt() < 0.29
    x = decoded + 0.2
    projected = cells.project(x)
    top = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    height, width = decoded.shape[-2:]
    rows = (0, 48) if top[0] == "t" else (height - 48, height)
    columns = (0, 32) if top[1] == "l" else (width - 32, width)
    box = (*rows, *columns)
    part = cells.crop(box)
    window = (..., slice(*rows), slice(*columns))
    torch.testing.assert_close(part.project(x[window]), projected[window], atol=1e-5, rtol=0)


def test_windows_lie_on_the_grid_of_coding_units():
    _, decoded, cells = pair(2)
    for box in ((0, 90, 0, 70), (16, 48, 32, 64), (80, 90, 0, 70), (0, 32, 64, 70)):
        part = cells.crop(box)
        window = (..., slice(*box[:2]), slice(*box[2:]))
        x = decoded.flip(-2)[window]
        torch.testing.assert_close(part.project(x), cells.project(decoded.flip(-2))[window], atol=0.01, rtol=0)
    for box in ((8, 48, 0, 70), (0, 90, 0, 24), (0, 89, 0, 70)):
        assert cells.crop(box) is None


def test_a_gray_picture_has_the_luma_of_a_colour_jpeg():
    before, _, cells = pair(2)
    luma = torch.einsum("j,bjhw->bhw", torch.tensor(TO_YCC[0]), before)[:, None]
    assert (cells.project(luma) - luma).mul(127.5).square().mean().sqrt() < 0.29


def test_clipped_samples_do_not_hide_coefficients():
    """Black and white stripes at a coarse table: half the samples are clipped, and all blocks are found."""
    samples = np.zeros((64, 64), np.uint8)
    samples[:, ::5] = samples[:, 1::5] = 255
    cells = compressed(samples, quality=20).jpeg.cells()
    assert cells.planes[0].known.float().mean() > 0.9
    x = images.as_picture(samples).pixels
    assert (cells.project(x) - x).mul(127.5).square().mean().sqrt() < 0.29


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_colours_that_are_not_ycbcr_have_no_cells(mode):
    data = io.BytesIO()
    options = {"keep_rgb": True} if mode == "RGB" else {}
    Image.fromarray(original(32, 32)).convert(mode).save(data, "JPEG", **options)
    assert images.as_picture(Image.open(io.BytesIO(data.getvalue()))).jpeg.cells() is None


def test_a_loaded_pillow_image_has_no_file():
    data = io.BytesIO()
    Image.fromarray(original(32, 32)).save(data, "JPEG")
    image = Image.open(io.BytesIO(data.getvalue()))
    image.load()
    assert images.as_picture(image).jpeg is None


def test_what_does_not_fit_is_refused():
    _, decoded, cells = pair("gray")
    with pytest.raises(OperatorError, match=r"\(90, 70\)"):
        cells.project(decoded[..., 1:])
    with pytest.raises(OperatorError, match="share above 0"):
        cells.with_width(0)
    plane = CellPlane(torch.zeros(2, 2, 8, 8, dtype=torch.int16), torch.ones(2, 2, dtype=torch.bool), tables(50)[0])
    with pytest.raises(OperatorError, match="do not cover"):
        JPEGCells([plane], (17, 16))
