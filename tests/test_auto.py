"""`restore diagnose`, `restore auto` and `inpaint --mask auto`; what is observed of a damaged measurement."""

import io
import json

import cv2
import numpy as np
import pytest
import torch
from photographs import crop, noisy, psnr
from photographs import photo as restorer
from PIL import Image

from restore import Problem
from restore.cli import main
from restore.diagnosis import diagnose
from restore.errors import PictureError, UsageError
from restore.images import as_picture
from restore.noise.measure import noise_of
from restore.operators import GrayWithHints, Identity, Mask
from restore.operators.observed import Observed

SHAPE = (1, 3, 8, 10)


def draws(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_observed_is_a_mask_for_the_identity():
    y, v, keep = draws(0, *SHAPE), draws(1, *SHAPE), draws(2, 1, 1, 8, 10) > 0
    problem = Problem(y=y, operator=Identity(), sigma_y=0.3, shape=SHAPE, constraint=Observed(y, keep))
    torch.testing.assert_close(problem.prox(v, 2.0), Mask(keep).prox(v, y * keep, 2.0 * 0.3**2))
    torch.testing.assert_close(problem.measurement(v), y.where(keep, v))


def test_observed_colour_is_that_of_hints():
    y, v, hints = draws(0, *SHAPE), draws(1, *SHAPE), draws(2, 1, 1, 8, 10) > 0
    everything = torch.ones_like(hints)
    found = Observed(y, everything, hints=hints).project(v)
    torch.testing.assert_close(found.mean(dim=1), y.mean(dim=1))
    torch.testing.assert_close(found.where(hints, 0), y.where(hints, 0))
    chroma = v - v.mean(dim=1, keepdim=True)
    torch.testing.assert_close((found - found.mean(dim=1, keepdim=True)).where(~hints, 0), chroma.where(~hints, 0))
    assert GrayWithHints(hints).keep.shape == found.shape


def test_observed_is_compressed_with_its_damage():
    y, v, keep = draws(0, *SHAPE), draws(1, *SHAPE), draws(2, 1, 1, 8, 10) > 0

    class Whole:
        def project(self, x):
            torch.testing.assert_close(x, v.where(keep, y))
            return x + 1

        def crop(self, box):
            return None

    observed = Observed(y, keep, cells=Whole())
    torch.testing.assert_close(observed.project(v), (v + 1).where(keep, v))
    assert observed.crop((0, 4, 0, 4)) is None
    part = Observed(y, keep).crop((2, 6, 1, 9))
    torch.testing.assert_close(part.project(v[..., 2:6, 1:9]), y.where(keep, v)[..., 2:6, 1:9])


@pytest.fixture(scope="module")
def scratched():
    """A photograph, the same with scratches, and where these are."""
    truth = crop("chelsea", 60, 100, 112)
    cover = np.zeros(truth.shape[:2], np.uint8)
    for start, end in (((30, 0), (44, 111)), ((105, 5), (80, 100))):
        cv2.line(cover, start, end, 255, 2, cv2.LINE_AA)
    share = cover[..., None] / 255
    return truth, (truth * (1 - share) + 250 * share).round().astype(np.uint8), cover > 0


def error(answer, truth):
    return float(np.sqrt(np.square(np.asarray(answer, float) - truth).mean()))


def test_mask_auto_fills_scratches_and_keeps_the_rest(scratched):
    truth, damaged, cover = scratched
    result = restorer()("inpaint", damaged, mask="auto", quality="fast")
    assert error(result.image, truth) < 0.3 * error(damaged, truth)
    changed = np.any(result.image != damaged, axis=2)
    assert not (changed & ~result.mask[0, 0].numpy()).any()
    assert result.mask[0, 0].numpy()[cover].mean() > 0.7
    with pytest.raises(UsageError, match="no labels"):
        restorer()("inpaint", damaged, mask="auto", mask_label=1)


def test_auto_restores_what_it_finds_in_one_solve(scratched, caplog):
    truth, damaged, _ = scratched
    noisy = (damaged + np.random.default_rng(0).normal(0, 12, damaged.shape)).round().clip(0, 255).astype(np.uint8)
    with caplog.at_level("INFO", logger="restore"):
        result = restorer()("auto", noisy, scratches=True, steps=6)
    assert "found: noise of" in caplog.text
    assert "scratches filled, noise taken out" in caplog.text
    kept = restorer()("auto", damaged)
    assert np.array_equal(kept.image, damaged)
    assert error(result.image, truth) < 0.45 * error(noisy, truth)
    larger = restorer()("auto", noisy, scratches=True, scale=2, steps=3)
    assert larger.image.shape == (224, 224, 3)
    small = cv2.resize(larger.image, (112, 112), interpolation=cv2.INTER_AREA)
    assert error(small, truth) < 0.5 * error(noisy, truth)


def test_auto_leaves_a_good_picture_and_keeps_gray_gray(caplog):
    truth = crop("chelsea", 60, 100, 128)
    with caplog.at_level("INFO", logger="restore"):
        assert np.array_equal(restorer()("auto", truth).image, truth)
    assert "nothing wrong" in caplog.text
    gray = np.repeat(truth.mean(axis=2, keepdims=True), 3, axis=2)
    gray = (gray + np.random.default_rng(0).normal(0, 15, (128, 128, 1))).round().clip(0, 255).astype(np.uint8)
    answer = restorer()("auto", gray, quality="fast").image
    assert answer.shape == gray.shape
    assert (answer == answer[..., :1]).all()
    assert not np.array_equal(answer, gray)


def test_auto_colours_from_hints_while_it_denoises():
    truth = crop("astronaut", 0, 180, 96)
    gray = (truth.mean(axis=2) + np.random.default_rng(0).normal(0, 8, (96, 96))).round().clip(0, 255).astype(np.uint8)
    hints = np.zeros((96, 96, 4), np.uint8)
    hints[::12, ::12, :3], hints[::12, ::12, 3] = truth[::12, ::12], 255
    answer = restorer()("auto", gray, colorize=hints, quality="fast").image
    assert answer.shape == (96, 96, 3)
    assert error(answer, truth) < 0.8 * error(np.repeat(gray[..., None], 3, axis=2), truth)


def test_diagnosis_of_known_damage():
    truth = crop("astronaut", 100, 100, 256)
    found = diagnose(as_picture(truth))
    assert found.kind() == "colour"
    assert found.to_dict()["jpeg"] is None
    noise = np.random.default_rng(0).normal(0, 10, truth.shape)
    noisy = diagnose(as_picture((truth + noise).round().clip(0, 255).astype(np.uint8)))
    assert noisy.noise_level == pytest.approx(10, rel=0.2)
    assert any(finding.startswith("noise of") for finding in noisy.findings())
    low = diagnose(as_picture((90 + 0.3 * truth.mean(axis=2)).round().astype(np.uint8)))
    assert low.gray
    assert low.is_faded
    assert any(finding.startswith("faded") for finding in low.findings())
    sepia = truth.mean(axis=2, keepdims=True) ** np.array([0.97, 1.0, 1.05])
    assert diagnose(as_picture((255 * sepia / sepia.max()).astype(np.uint8))).kind() == "toned"


def test_diagnose_command(tmp_path, capfd):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    truth = crop("chelsea", 60, 100, 128)
    cv2.imwrite(str(folder / "deep" / "a.jpg"), truth[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    (folder / "broken.png").write_bytes(b"no picture")
    assert main(["diagnose", str(folder), "--json", "--strip", str(tmp_path / "strips")]) == 1
    out, err = capfd.readouterr()
    broken, found = (json.loads(line) for line in out.splitlines())
    assert "broken.png" in broken["error"]
    assert "broken.png" in err
    assert found["input"].endswith("a.jpg")
    assert found["jpeg"] == {"quality": 60, "estimated": False, "subsampled": True, "earlier": None}
    assert found["kind"] == "colour"
    strip = cv2.imread(found["strip"])
    assert strip.shape == (128, 3 * 128 + 16, 3)
    assert main(["diagnose", str(folder / "deep"), "--strip", str(tmp_path / "strips" / "deep")]) == 1
    assert "exists already" in capfd.readouterr().err
    assert main(["diagnose", str(folder / "deep")]) == 0
    assert "JPEG of quality 60 (file)" in capfd.readouterr().out
    assert main(["diagnose", str(tmp_path / "nowhere")]) == 1


def compressed(quality):
    """A clean photograph as a JPEG, and the photograph."""
    truth = crop("coffee", 100, 180, 128)
    file = io.BytesIO()
    Image.fromarray(truth).save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())), truth


@pytest.mark.parametrize("quality", [10, 30, 75])
def test_what_a_jpeg_did_is_not_taken_for_noise_or_blur(quality, caplog):
    given, truth = compressed(quality)
    with caplog.at_level("INFO", logger="restore"):
        found = np.asarray(restorer()("auto", given).image)
    assert "done: compression artefacts taken out" in caplog.text
    assert error(found, truth) < 0.95 * error(np.asarray(given), truth)


def test_blur_is_taken_out_when_asked_and_then_helps(caplog):
    truth = crop("coffee", 100, 180, 128)
    blurred = cv2.GaussianBlur(truth, (0, 0), 1.6)
    noisy = (blurred + np.random.default_rng(0).normal(0, 2.5, truth.shape)).round().clip(0, 255).astype(np.uint8)
    with caplog.at_level("INFO", logger="restore"):
        kept = restorer()("auto", noisy).image
    assert "blur is left: blur=True takes it out" in caplog.text
    assert error(restorer()("auto", noisy, blur=True).image, truth) < 0.9 * min(error(noisy, truth), error(kept, truth))


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (96, 96, 3)])
def test_tiny_and_flat_pictures_come_back(shape, recwarn):
    given = np.full(shape, 131, np.uint8)
    assert np.array_equal(restorer()("auto", given).image, given)
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_colours_are_not_replaced_by_hints():
    hints = np.zeros((96, 96, 4), np.uint8)
    hints[40:50, 40:50] = (200, 30, 30, 255)
    with pytest.raises(PictureError, match="has colours already"):
        restorer()("auto", crop("chelsea", 60, 100, 96), colorize=hints)


@pytest.mark.parametrize("quality", [60, 80])
def test_an_ordinary_jpeg_is_no_noisy_picture(quality, tmp_path):
    truth = crop("chelsea", 40, 100, 128)
    Image.fromarray(truth).save(tmp_path / "a.jpg", quality=quality)
    decoded = np.asarray(Image.open(tmp_path / "a.jpg"))
    found = restorer()("auto", str(tmp_path / "a.jpg"))
    filtered = [cv2.fastNlMeansDenoisingColored(decoded, None, strength, strength, 7, 21) for strength in (2, 3, 5)]
    assert psnr(np.asarray(found.image), truth) > max(psnr(other, truth) for other in [decoded, *filtered]) + 0.3


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_diagnose_and_denoise_say_the_same_level(name):
    given = as_picture(noisy(crop(name, 60, 160), 20))
    level, _ = noise_of(given, "auto")
    assert diagnose(given).noise_level == pytest.approx(127.5 * level, rel=1e-6)
