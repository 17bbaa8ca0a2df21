"""Colour spaces: known profiles against the numbers of their standards, exact ways back, and the solve in sRGB."""

import dataclasses
import struct

import numpy as np
import pytest
import torch
from PIL import ImageCms

from restore import Restorer, images
from restore.images.colour import space_of_gamma, space_of_profile
from restore.images.metadata import Metadata
from restore.priors import Prior

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Colorants under D50, as profiles hold them: of sRGB, ROMM RGB (ISO 22028-2) and Adobe RGB (1998).
COLUMNS = {
    "srgb": [(0.4360747, 0.2225045, 0.0139322), (0.3850649, 0.7168786, 0.0971045), (0.1430804, 0.0606169, 0.7141733)],
    "romm": [(0.7976749, 0.2880402, 0.0), (0.1351917, 0.7118741, 0.0), (0.0313534, 0.0000857, 0.8252100)],
    "adobe": [(0.6097559, 0.3111242, 0.0194811), (0.2052401, 0.6256560, 0.0608902), (0.1492240, 0.0632197, 0.7448387)],
}


def curve_of_gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def profile(curve: bytes, columns: str = "srgb", channels: int = 3) -> bytes:
    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    tags = [(b"kTRC", curve)]
    if channels == 3:
        tags = [(name, xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), COLUMNS[columns], strict=True)]
        tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, tag in tags:
        table += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag
    return bytes(128) + struct.pack(">I", len(tags)) + table + data


def some_pixels(channels: int = 3) -> torch.Tensor:
    return torch.rand(1, channels, 24, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def with_profile(samples: np.ndarray, icc: bytes) -> images.Picture:
    return dataclasses.replace(images.as_picture(samples), metadata=Metadata(icc=icc))


def test_srgb_is_the_identity() -> None:
    space, pixels = space_of_profile(SRGB, 3), some_pixels()
    assert space is not None
    torch.testing.assert_close(
        space.to_srgb(pixels), pixels, atol=0.5 / 127.5, rtol=0
    )  # A profile rounds its numbers to 1 / 65536.
    picture = with_profile(np.full((8, 8, 3), 99, np.uint8), SRGB)
    assert picture.in_srgb() is picture


def test_linear_light_becomes_what_the_standard_says() -> None:
    space = space_of_profile(profile(curve_of_gamma(1.0)), 3)
    assert space is not None
    # IEC 61966-2-1: 18 % of light is 46.1 % of the signal, and 0.2 % lies on the straight part.
    for light, signal in ((0.18, 1.055 * 0.18 ** (1 / 2.4) - 0.055), (0.002, 12.92 * 0.002), (1.0, 1.0), (0.0, 0.0)):
        gray = space.to_srgb(torch.full((1, 3, 1, 1), 2 * light - 1))
        torch.testing.assert_close((gray + 1) / 2, torch.full((1, 3, 1, 1), signal), atol=1e-4, rtol=0)


def test_white_is_white_and_wide_primaries_leave_the_range() -> None:
    for columns in ("romm", "adobe"):
        space = space_of_profile(profile(curve_of_gamma(1.8), columns), 3)
        assert space is not None
        white = space.to_srgb(torch.ones(1, 3, 1, 1))
        torch.testing.assert_close(white, torch.ones(1, 3, 1, 1), atol=2e-3, rtol=0)
        green = space.to_srgb(torch.tensor([-1.0, 1.0, -1.0])[None, :, None, None])[0, :, 0, 0]
        assert green[0] < -1  # No sRGB colour is as green.


PARA3 = (
    b"para\0\0\0\0"
    + struct.pack(">HH", 3, 0)
    + b"".join(struct.pack(">i", round(value * 65536)) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)
TABLE = (
    b"curv\0\0\0\0"
    + struct.pack(">I", 256)
    + b"".join(struct.pack(">H", round(65535 * (index / 255) ** 2.2)) for index in range(256))
)


CURVES = {"linear": curve_of_gamma(1.0), "2.2": curve_of_gamma(2.2), "para": PARA3, "table": TABLE}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
@pytest.mark.parametrize("columns", ["srgb", "romm"])
def test_every_sample_comes_back(curve: bytes, columns: str, depth: int) -> None:
    icc = profile(curve, columns)
    samples = np.random.default_rng(0).integers(0, 2**depth, (64, 64, 3)).astype(f"uint{depth}")
    samples[0, 0], samples[0, 1] = 0, 2**depth - 1
    samples[1:] = samples[1:] // 8 * 3  # Darker, so that no curve is taken for that of sRGB.
    picture = with_profile(samples, icc)
    space, shown = space_of_profile(icc, 3), picture.in_srgb()
    assert space is not None
    assert np.array_equal(shown.with_colours_of(picture).samples(), samples)
    # Changed pixels come back by the curves alone.
    moved = picture.pixels.clamp(-0.9, 0.9)
    torch.testing.assert_close(space.from_srgb(space.to_srgb(moved)), moved, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "icc",
    [
        None,
        b"",
        bytes(200),
        SRGB[:150],
        profile(b"curv\0\0\0\0" + bytes(4096)),
        profile(b"mft2" + bytes(40)),
        bytes(128) + b"\xff" * 90,
    ],
)
def test_what_is_no_profile_of_curves_is_no_space(icc: bytes | None) -> None:
    space = space_of_profile(icc, 3)
    assert space is None or np.isfinite(space.curves).all()
    assert space_of_profile(profile(curve_of_gamma(2.2), channels=1), 3) is None
    assert space_of_gamma(0.0, 1) is None


class Shrink(Prior):
    """Pulls pictures to a gray of 0.2 in [-1, 1]."""

    def denoise(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return x + 0.5 * (0.2 - x)


def test_a_linear_picture_is_restored_as_the_same_picture_in_srgb_is() -> None:
    space = space_of_profile(profile(curve_of_gamma(1.0)), 3)
    assert space is not None
    shown = images.as_picture(np.random.default_rng(1).integers(60, 200, (32, 32, 3)).astype(np.uint16) * 257)
    linear = dataclasses.replace(
        shown, pixels=space.from_srgb(shown.pixels), raw=None, metadata=Metadata(icc=profile(curve_of_gamma(1.0)))
    )
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 10:22] = 255
    keywords = {"mask": mask, "sigma": 0, "mask_grow": 0, "steps": 3}
    restorer = Restorer(Shrink())
    in_srgb, back = restorer("inpaint", shown, **keywords), restorer("inpaint", linear, **keywords)
    assert back.picture is not None
    assert in_srgb.picture is not None
    known = mask == 0
    assert np.array_equal(back.picture.samples()[known], linear.samples()[known])
    assert float((space.to_srgb(back.picture.pixels) - in_srgb.picture.pixels).abs().max()) < 1e-3
    assert back.picture.metadata.icc == linear.metadata.icc


def test_a_gray_png_with_gamma_is_converted_and_colorize_stays_in_srgb() -> None:
    picture = dataclasses.replace(
        images.as_picture(np.full((16, 16), 40, np.uint8)),
        metadata=Metadata(png_colour=((b"gAMA", struct.pack(">I", 100000)),)),
    )
    shown = picture.in_srgb()
    signal = 1.055 * (40 / 255) ** (1 / 2.4) - 0.055
    assert abs(float(shown.pixels.mean() + 1) / 2 - signal) < 1e-4
    assert np.array_equal(shown.with_colours_of(picture).samples(), picture.samples())
    colour = shown.with_pixels(shown.pixels.expand(1, 3, 16, 16))
    assert torch.equal(colour.with_colours_of(picture).pixels, colour.pixels)
