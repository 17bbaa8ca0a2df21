"""JPEGs whose data libjpeg warns of are refused, unless the fault is harmless."""

import numpy as np
import pytest
from test_damaged_files import encoded, smooth

from restore.errors import PictureError
from restore.images.jpeg_damage import damage_of_jpeg
from restore.images.reading import decode

ARRAY = smooth(96, 96)
WHOLE = encoded(ARRAY, "JPEG", quality=90)
SCAN = WHOLE.index(b"\xff\xda")


def refused(data: bytes) -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, "a.jpg")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_zeros_in_place_of_pixels_are_damage() -> None:
    data = bytearray(WHOLE)
    data[SCAN + 200 : SCAN + 240] = bytes(40)
    assert "the file is damaged or cut short (Corrupt JPEG data" in refused(bytes(data))


def test_one_wrong_byte_is_refused_where_libjpeg_warns_of_it() -> None:
    rng, warned = np.random.default_rng(0), 0
    for at in rng.integers(SCAN + 20, len(WHOLE) - 2, 60):
        data = bytearray(WHOLE)
        data[at] ^= 0x10
        if damage_of_jpeg(bytes(data)) is not None:
            refused(bytes(data))
            warned += 1
    assert warned > 10  # Of the others libjpeg says nothing: the format has no checksums.


def test_more_rows_than_there_are_is_cut_short() -> None:
    data = bytearray(encoded(ARRAY, "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 2] = (200).to_bytes(2, "big")
    assert "cut short" in refused(bytes(data))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("stray", [b"\0", b"\x12\x34\x56"])
def test_stray_bytes_between_segments_are_harmless(stray: bytes, progressive: bool) -> None:
    whole = encoded(ARRAY, "JPEG", progressive=progressive)
    for marker in (b"\xff\xdb", b"\xff\xc4"):
        at = whole.index(marker)
        data = whole[:at] + stray + whole[at:]
        assert damage_of_jpeg(data) is None
        assert np.array_equal(decode(data, "a.jpg").samples(), decode(whole, "a.jpg").samples())


@pytest.mark.parametrize("count", [1, 2, 300])
def test_zeros_before_the_end_are_harmless(count: int) -> None:
    data = WHOLE[:-2] + bytes(count) + WHOLE[-2:]
    assert damage_of_jpeg(data) is None
    assert np.array_equal(decode(data, "a.jpg").samples(), decode(WHOLE, "a.jpg").samples())


@pytest.mark.parametrize("lost", [3, 8, 20, 300])
def test_a_lost_end_that_became_zeros_is_damage(lost: int) -> None:
    refused(WHOLE[: -lost - 2] + bytes(lost + 400) + WHOLE[-2:])


def test_damage_behind_something_harmless_is_found() -> None:
    data = bytearray(WHOLE)
    data[SCAN + 200 : SCAN + 240] = bytes(40)
    at = WHOLE.index(b"\xff\xdb")
    refused(bytes(data[:at] + b"\0" + data[at:]))
