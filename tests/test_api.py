"""The public API: what it exports, what it refuses and how, and restoration as a module with gradients."""

import ast
import dataclasses
import inspect
import typing
from pathlib import Path

import kornia
import numpy as np
import pytest
import torch
from photographs import Blurring, cheap, crop, photo

import restore
from restore import Problem, Restorer
from restore.api import typed_calls
from restore.api.typed_calls import BuiltIn
from restore.errors import OperatorError, PictureError, RestoreError, UsageError
from restore.nn import Restore
from restore.operators import Identity, Mask
from restore.options import keywords
from restore.options.run_options import of_scope
from restore.options.signatures import CallKeywords, PriorKeywords
from restore.plugins import manager

PICTURE = crop("coffee", 100, 150, 32)
MASK = np.zeros((32, 32), np.uint8)
MASK[10:14] = 255


def images(count=2, side=32):
    unit = torch.from_numpy(crop("coffee", 100, 150, side)).permute(2, 0, 1).float() / 255
    return torch.stack([unit.roll(5 * index, -1) for index in range(count)])


# What is exported.


def test_types_homes_and_names_agree():
    tree = ast.parse((Path(restore.__file__)).read_text())
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name: node.module for node in typed.body for alias in node.names}
    assert declared == restore._HOMES
    assert sorted(declared) == sorted(restore.__all__)
    for name in restore.__all__:
        assert getattr(restore, name) is not None


def test_public_names_have_docstrings():
    for name in restore.__all__:
        found = getattr(restore, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert inspect.getdoc(found), name


# Signatures.


def test_keywords_are_those_of_the_options():
    assert set(typing.get_type_hints(PriorKeywords)) == set(of_scope("prior")) - {"prior"}
    assert set(typing.get_type_hints(CallKeywords)) == set(of_scope("call"))


POSITIONAL = {
    "inpaint": {"mask"},
    "super-resolution": {"scale"},
    "denoise": {"sigma"},
    "colorize": {"hints"},
    "deblur": {"kernel"},
}


@pytest.mark.parametrize("task", typing.get_args(BuiltIn))
def test_keywords_of_tasks_are_those_of_their_options(task):
    name = task.title().replace("-", "")
    own = {item.name for item in dataclasses.fields(manager.load().task(task).Options)}
    said = set(typing.get_type_hints(getattr(keywords, name))) - set(of_scope("call"))
    assert said == own - POSITIONAL.get(task, set())
    called = set(typing.get_type_hints(getattr(keywords, f"{name}Call", getattr(keywords, name)))) - set(of_scope("call"))
    assert called == own


@pytest.mark.parametrize("method", ["__call__", "stream"])
def test_every_built_in_task_has_its_signature(method):
    tree = ast.parse(Path(typed_calls.__file__).read_text())
    signatures = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == method]
    named = {task for task in typing.get_args(BuiltIn) for node in signatures if f"Literal['{task}']" in ast.unparse(node.args)}
    own = {name for name, found in manager.load().tasks.items() if found.distribution == manager.BUILT_IN}
    assert named == own == set(typing.get_args(BuiltIn))


# What is refused.

REFUSED = {
    "samples a text": {"samples": "2"},
    "samples without end": {"samples": 10**12},
    "steps a fraction": {"steps": 1.5},
    "steps none": {"steps": 0},
    "steps nan": {"steps": float("nan")},
    "seed a text": {"seed": "a"},
    "seed a fraction": {"seed": 1.5},
    "fidelity nan": {"fidelity": float("nan")},
    "guidance a number": {"guidance": 5},
    "sampler a number": {"sampler": 5},
    "quality a number": {"quality": 3},
    "name a number": {"name": 5},
    "sigma beyond floats": {"sigma": 10**400},
    "sigma nan": {"sigma": float("nan")},
    "an unknown option": {"stepz": 5},
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_wrong_options_are_named(given):
    with pytest.raises(UsageError, match=next(iter(given))):
        cheap()("inpaint", PICTURE, mask=MASK, **given)


@pytest.mark.parametrize("task", [None, 5, restore.Task, object()])
def test_what_is_no_task(task):
    with pytest.raises(UsageError, match="task: "):
        cheap()(task, PICTURE)


@pytest.mark.parametrize("prior", [None, 5, "photo", torch.nn.Identity()])
def test_what_is_no_prior(prior):
    with pytest.raises(UsageError, match="prior: "):
        Restorer(prior)
    problem = Problem(y=torch.zeros(1, 3, 8, 8), operator=Identity(), sigma_y=0.1, shape=(1, 3, 8, 8))
    with pytest.raises(UsageError, match="prior: "):
        list(restore.solve(problem, prior))
    if not isinstance(prior, str):
        with pytest.raises(UsageError, match="name: "):
            Restorer.from_pretrained(prior)


@pytest.mark.parametrize("pictures", [None, 5, "a.png"])
def test_what_is_no_sequence(pictures):
    with pytest.raises(UsageError, match="pictures: "):
        cheap().map("denoise", pictures)


@pytest.mark.parametrize("path", [None, 5, b"x"])
def test_what_is_no_path(path):
    with pytest.raises(UsageError, match="path: "):
        cheap()("denoise", PICTURE, sigma=5).save(path)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"y": 1}, PictureError, "y is a tensor"),
        ({"y": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)}, PictureError, "torch.uint8"),
        ({"operator": 3}, OperatorError, "operator is"),
        ({"shape": (3, 8, 8)}, PictureError, "shape is"),
        ({"shape": (1, 3, 0, 8)}, PictureError, "shape is"),
        ({"sigma_y": -1}, PictureError, "noise level"),
    ],
)
def test_what_is_no_problem(given, error, said):
    whole = {"y": torch.zeros(1, 3, 8, 8), "operator": Identity(), "sigma_y": 0.1, "shape": (1, 3, 8, 8)}
    with pytest.raises(error, match=said):
        Problem(**{**whole, **given})


def test_a_problem_is_asked_for():
    with pytest.raises(UsageError, match="problem: "):
        list(restore.solve(None, Blurring()))


def test_a_bad_picture_of_many():
    some = [PICTURE, PICTURE[:0], PICTURE]
    with pytest.raises(PictureError):
        list(cheap().map("denoise", some, sigma=5))
    found = list(cheap().map("denoise", some, sigma=5, errors="yield"))
    assert [isinstance(one, RestoreError) for one in found] == [False, True, False]
    with pytest.raises(UsageError, match="sigma"):  # Wrong for all.
        list(cheap().map("denoise", some, sigma="much", errors="yield"))
    with pytest.raises(UsageError, match="errors: "):
        cheap().map("denoise", some, errors="ignore")


# Arrays of other libraries.


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return PICTURE


class Broken:
    def __array__(self, dtype=None, copy=None):
        raise KeyError("oh no")


class Exchanged:
    """As arrays on devices are, which other libraries hand over."""

    def __dlpack__(self, **keywords):
        return torch.from_numpy(PICTURE).__dlpack__(**keywords)

    def __dlpack_device__(self):
        return torch.from_numpy(PICTURE).__dlpack_device__()


@pytest.mark.parametrize("given", [ArrayLike(), Exchanged(), PICTURE.astype(">u2") * 257, np.rec.array(PICTURE)])
def test_arrays_of_other_libraries(given):
    found = cheap()("denoise", given, sigma=5).image
    wanted = cheap()("denoise", PICTURE, sigma=5).image
    assert isinstance(found, np.ndarray)
    scale = 257 if found.dtype.itemsize == 2 else 1
    assert np.abs(found.astype(int) - wanted.astype(int) * scale).max() <= scale


def test_an_array_that_cannot_be_had():
    with pytest.raises(PictureError, match="gives no array: KeyError"):
        cheap()("denoise", Broken(), sigma=5)


def test_a_gradient_is_not_dropped_silently():
    with pytest.raises(PictureError, match=r"restore\.nn\.Restore"):
        cheap()("denoise", torch.rand(3, 16, 16, requires_grad=True), sigma=5)


def test_a_batch_in_one_call(monkeypatch):
    monkeypatch.setattr("restore.api.shortcuts._photo", cheap)
    batch = images()
    found = restore.denoise(batch, sigma=5)
    assert found.shape == batch.shape
    for index in range(2):
        assert torch.equal(found[index], cheap()("denoise", batch[index], sigma=5, name=str(index)).image)


def test_what_is_printed():
    result = cheap()("denoise", PICTURE, sigma=5)
    assert repr(result).startswith("<Result: denoise, 32x32, estimate, consistency ")
    assert repr(cheap()).startswith("<Restorer: prior custom, cpu")
    assert "\n" not in repr(result) + repr(cheap())


# A module with gradients.


def test_a_module_restores_as_a_restorer_does():
    batch = images()
    masks = torch.from_numpy(MASK / 255.0).float()[None, None].expand(2, 1, -1, -1).clone()
    masks[1] = masks[1].roll(8, -2)
    module = Restore("inpaint", cheap(), sigma=0)
    found = module(batch, mask=masks)
    assert found.shape == batch.shape
    for index in range(2):
        wanted = cheap()("inpaint", batch[index], mask=masks[index], sigma=0, name=str(index)).image
        torch.testing.assert_close(found[index], wanted, atol=1e-5, rtol=0)  # Not by way of 16 bits.
    one = module(batch[0], mask=masks[0])
    assert torch.equal(one, found[0])


@pytest.mark.parametrize(
    "task",
    [("super-resolution", {"scale": 2.0, "sigma": 0.0, "reduced_by": "bicubic"}), ("denoise", {"sigma": 5.0})],
    ids=lambda task: task[0],
)
def test_the_gradient_is_that_of_the_run(task):
    # With this prior and without clipping these runs are linear, so that a difference is a derivative but for rounding.
    batch = images(1) * 0.5 + 0.25
    module = Restore(task[0], cheap(), **task[1])
    moved = torch.randn(batch.shape, generator=torch.Generator().manual_seed(1))
    given = batch.clone().requires_grad_()
    restored = module(given)
    weights = torch.randn(restored.shape, generator=torch.Generator().manual_seed(0))
    (restored * weights).sum().backward()
    step = 0.02
    ends = [(module(batch + sign * step * moved) * weights).double().sum() for sign in (1, -1)]
    # Sums of 12,000 values, each rounded to 1e-7, over the step: 1e-3 at most.
    assert float((given.grad * moved).sum()) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), abs=2e-3)


def test_a_network_before_it_is_trained():
    before = torch.nn.Conv2d(3, 3, 1)
    torch.nn.init.dirac_(before.weight)
    torch.nn.init.zeros_(before.bias)
    chain = torch.nn.Sequential(before, Restore("denoise", cheap(), sigma=10))
    chain(images() * 0.9 + 0.05).square().mean().backward()
    assert float(before.weight.grad.abs().max()) > 0


def test_samples_have_no_gradient():
    with pytest.raises(UsageError, match="draws samples"):
        Restore("denoise", cheap(), sigma=10, fidelity=0)(images().requires_grad_())


def test_among_kornias_augmentations():
    chain = kornia.augmentation.AugmentationSequential(
        kornia.augmentation.RandomHorizontalFlip(p=1.0), Restore("denoise", cheap(), sigma=5), data_keys=["input"]
    )
    batch = images()
    torch.testing.assert_close(chain(batch), Restore("denoise", cheap(), sigma=5)(batch.flip(-1)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.zeros(2, 2, 8, 8), "1 or 3 channels"),
        (torch.zeros(8, 8), "1 or 3 channels"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (torch.full((1, 3, 8, 8), 7.0), "expected"),
        ("a.png", "got str"),
    ],
)
def test_images_that_are_none(given, said):
    with pytest.raises(PictureError, match=said):
        Restore("denoise", cheap(), sigma=5)(given)


def test_options_of_a_module_are_checked_at_once():
    with pytest.raises(UsageError, match="sgma"):
        Restore("denoise", cheap(), sgma=5)
    with pytest.raises(UsageError, match="no picture of denoise"):
        Restore("denoise", cheap())(images(), mask=MASK)
    with pytest.raises(PictureError, match="3 pictures for 2 images"):
        Restore("inpaint", cheap(), sigma=0)(images(), mask=torch.ones(3, 1, 32, 32))


def test_gray_and_sizes():
    gray = images()[:, :1]
    assert Restore("denoise", photo(), sigma=5)(gray).shape == gray.shape
    assert Restore("super-resolution", cheap(), scale=2.0, sigma=0.0)(images()).shape == (2, 3, 64, 64)


def test_a_third_partys_mask_is_filled_as_well_as_the_toolkits():
    class Own(restore.Task):
        name, help = "own", "Fill."
        Options = dataclasses.make_dataclass("Options", [], frozen=True)

        def problem(self, picture, options):
            keep = torch.from_numpy(MASK == 0)[None, None]
            pixels = picture.pixels
            return Problem(y=pixels * keep, operator=Mask(keep), sigma_y=0.0, shape=tuple(pixels.shape))

    found = photo()(Own(), PICTURE).image
    wanted = photo()("inpaint", PICTURE, mask=MASK, sigma=0, mask_grow=0).image
    assert np.array_equal(found, wanted)
