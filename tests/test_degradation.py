"""Degradations as text: parsed, applied, and undone in one solve."""

import json
import math

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gaussian import dense
from photographs import cheap, crop, photo, psnr
from PIL import Image

import restore
from restore import images
from restore.cli.ops import ops_command
from restore.degradation import Degradation, parse_operator
from restore.errors import OperatorError, PictureError, UsageError
from restore.guidance.pnp import FILLING
from restore.operators import ComposeLinear, Downsample, Gray, Identity, LinearFunction, Mask, OpenBlur, kernels
from restore.planning.defaults import default_estimate
from restore.testing import check_linear

SHAPE = (3, 16, 24)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def test_a_chain_is_the_product_of_its_matrices():
    chain = parse_operator("gray | blur:0.8 | downsample:2,kernel=box", SHAPE)
    parts = Gray(), OpenBlur(kernels.gaussian(0.8), (16, 24)), Downsample((16, 24), 2, "box")
    x = random(2, *SHAPE)
    torch.testing.assert_close(chain(x), parts[2](parts[1](parts[0](x))))
    matrix = dense(parts[2], (1, 16, 24)) @ dense(parts[1], (1, 16, 24)) @ dense(parts[0], SHAPE)
    torch.testing.assert_close(dense(chain, SHAPE), matrix)
    y = random(1, 1, 8, 12)
    torch.testing.assert_close(chain.adjoint(y).flatten(), matrix.T @ y.flatten())


def test_values_go_by_order_or_by_key():
    by_order, by_key = (Degradation.parse(text) for text in ("motion:7,30 | noise:5", "motion:angle=30,length=7|noise:sigma=5"))
    assert by_order == by_key
    assert by_order.sigma == 5
    assert Degradation.parse("noise:3 | noise:4").sigma == pytest.approx(5)  # Variances add.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("blu:1.6", "did you mean 'blur'"),
        ("blur:1.6 |", "empty stage"),
        ("", "empty stage"),
        ("blur", "blur needs sigma"),
        ("blur:sgma=1", "did you mean 'sigma'"),
        ("blur:1,2", "blur takes sigma"),
        ("motion:angle=3,7", "motion takes length"),
        ("blur:1,sigma=2", "twice"),
        ("gray:3", "takes no values"),
        ("noise:-1", "0 or more"),
        ("noise:much", "0 or more"),
        ("noise:inf", "finite"),
        (5, "is a text"),
    ],
)
def test_texts_that_are_none(text, said):
    with pytest.raises(UsageError, match=said):
        Degradation.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("blur:wide", "takes numbers"),
        ("blur:-1", "above 0"),
        ("downsample:0.5", "at least 1"),
        ("downsample:2,kernel=best", "unknown kernel"),
        ("jpeg:200", "1 to 100"),
        ("jpeg:50.5", "whole number"),
        ("missing:2", "between 0 and 1"),
        ("gray | gray", "3 channels, not 1"),
        ("blur:9", "no larger than the picture"),
    ],
)
def test_values_that_an_operator_does_not_take(text, said):
    with pytest.raises(OperatorError, match=said):
        parse_operator(text, SHAPE)


def test_noise_is_no_operator():
    with pytest.raises(UsageError, match=r"Degradation\.parse"):
        parse_operator("blur:1 | noise:5", SHAPE)


def test_the_noise_that_is_added_is_of_its_level_and_seed():
    x = torch.zeros(1, 3, 64, 64)
    one, other = (Degradation.parse("noise:10").apply(x, seed) for seed in (0, 1))
    assert torch.equal(one, Degradation.parse("noise:10").apply(x, 0))
    # The deviation of n draws is known to 1 / sqrt(2 n).
    assert float(one.std() * 127.5) == pytest.approx(10, abs=4 * 10 / math.sqrt(2 * x.numel()))
    assert abs(float(np.corrcoef(one.flatten(), other.flatten())[0, 1])) < 4 / math.sqrt(x.numel())


def test_a_jpeg_at_the_end_is_what_an_encoder_makes():
    picture = cv2.cvtColor(crop("coffee", 100, 150, 50), cv2.COLOR_BGR2GRAY)  # Libraries differ in how they spread chroma.
    found = Degradation.parse("jpeg:60").apply(images.as_picture(picture).pixels)
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    wanted = images.as_picture(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)).pixels
    assert float((found - wanted).abs().max()) * 127.5 < 2.5  # And in how they round.


def test_the_problem_of_a_degraded_picture():
    made = Degradation.parse("gray | downsample:2 | noise:5").problem(torch.zeros(1, 1, 8, 12))
    assert made.shape == (1, 3, 16, 24)
    assert made.sigma_y == pytest.approx(5 / 127.5)
    assert Degradation.parse("gray").problem(torch.zeros(1, 1, 8, 12)).sigma_y == 0
    assert Degradation.parse("blur:1").problem(torch.zeros(1, 3, 16, 12)).sigma_y > 0  # Files are rounded.
    assert Degradation.parse("identity | jpeg:50").problem(torch.zeros(1, 3, 32, 32)).constraint is not None
    with pytest.raises(OperatorError, match="but the picture is 12x8 in 3 channels"):
        Degradation.parse("gray").problem(torch.zeros(1, 3, 8, 12))
    with pytest.raises(UsageError, match="put noise after"):
        Degradation.parse("noise:5 | blur:1").problem(torch.zeros(1, 3, 16, 16))


def test_a_mask_file(tmp_path):
    drawn = np.zeros((16, 24), np.uint8)
    drawn[4:6] = 255
    cv2.imwrite(str(tmp_path / "m.png"), drawn)
    operator = parse_operator(f"mask:{tmp_path / 'm.png'}", SHAPE)
    assert isinstance(operator, Mask)
    assert torch.equal(operator.keep[0, 0], torch.from_numpy(drawn == 0))
    with pytest.raises(PictureError, match="no such file"):
        parse_operator("mask:nope.png", SHAPE)


def test_defaults_follow_from_the_measurement():
    keep = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    problem = restore.Problem(y=torch.zeros(1, 3, 8, 8), operator=Mask(keep), sigma_y=0.0, shape=(1, 3, 8, 8))
    assert default_estimate(problem) is FILLING


def test_all_of_it_is_undone_in_one_solve():
    text = "blur:1 | downsample:2 | noise:3"
    truth = crop("coffee", 100, 150, 64)
    small = photo()("degrade", truth, op=text).image
    assert small.shape == (32, 32, 3)
    found = photo()("run", small, op=text)
    assert found.image.shape == truth.shape
    assert found.record["found"]["sigma"] == pytest.approx(3)
    assert psnr(found.image, truth) > psnr(cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC), truth) + 2


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P"])
def test_a_gray_picture_made_of_a_colour_one_is_a_file_of_one_channel(mode, tmp_path):
    source, gray = tmp_path / "a.tif", tmp_path / "gray.tif"
    Image.fromarray(crop("coffee", 100, 150, 32)).convert(mode).save(source)
    cheap()("degrade", source, op="gray").save(gray)
    assert images.read(gray).pixels.shape == (1, 1, 32, 32)
    assert cheap()("run", gray, op="gray", steps=2).picture.pixels.shape == (1, 3, 32, 32)


def test_what_is_not_linear_is_undone_too():
    truth = crop("coffee", 100, 150, 32)
    text = "clip:60,200 | noise:2"
    given = photo()("degrade", truth, op=text).image
    found = photo()("run", given, op=text, steps=4)
    assert found.answer == "sample"
    assert found.image.shape == truth.shape


LINEAR = {
    "rows": LinearFunction(lambda x: x[..., torch.arange(x.shape[-2]) % 3 != 2, :], (2, 9, 7)),
    "mean": LinearFunction(lambda x: x.mean(dim=1, keepdim=True), (3, 5, 4)),
    "matrix": LinearFunction(lambda x: x @ torch.linspace(-1, 1, 30, dtype=x.dtype).reshape(6, 5), (1, 4, 6)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_laws_of_functions(name):
    check_linear(LINEAR[name], (2, *LINEAR[name].shape))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x + 1, "not linear"),
        (lambda x: x[..., :40, :][..., 20, :], "not \\(1, c, h, w\\)"),
        (lambda x: x @ torch.ones(9, 9), "does not take pictures"),
        (lambda x: x.detach() * 2, "no gradient"),
        (lambda x: 5, "makes int"),
    ],
)
def test_functions_that_are_no_operators(function, said):
    with pytest.raises(OperatorError, match=said):
        LinearFunction(function, (3, 24, 8))


def test_a_chain_of_linear_operators_is_linear():
    chain = parse_operator("gray | missing:0.4 | downsample:2", (3, 8, 10))
    assert isinstance(chain, ComposeLinear)
    assert isinstance(parse_operator("identity", SHAPE), Identity)
    exact = ComposeLinear(chain.first, chain.last)
    check_linear(exact, (2, 3, 8, 10))


def test_operators_are_listed_with_their_arguments():
    shown = CliRunner().invoke(ops_command, ["--json"])
    rows = {row["name"]: row for row in json.loads(shown.output)}
    assert rows["downsample"]["arguments"] == {"scale": None, "kernel": "bicubic"}
    assert rows["downsample"]["required"] == ["scale"]
    assert all(row["help"] for row in rows.values())
    assert "motion:length,angle=0.0" in CliRunner().invoke(ops_command, []).output
