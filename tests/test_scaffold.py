"""`restore plugins new`, and the checks that its plugins' tests are made of."""

import dataclasses
import os
import subprocess
import sys
import types

import pytest
import torch
from click.testing import CliRunner

import restore
from restore.cli.info import plugins_command
from restore.errors import UsageError
from restore.plugins.scaffold import KINDS, create
from restore.testing import White, check_linear, check_operator, check_prior, check_task

pytest_plugins = ["restore.testing.fixtures"]


def test_plugins_pass_their_tests_as_they_are_made(tmp_path):
    for kind in KINDS:
        create(f"restore-my-{kind}", kind, tmp_path)
    folders = [tmp_path / f"restore-my-{kind}" for kind in KINDS]
    paths = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *map(str, folders)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout
    for folder in folders:
        for module in folder.glob("*.py"):
            assert len(module.read_text().splitlines()) < 60


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Toy"], "restore-NAME"),
        (["restore-Toy"], "restore-NAME"),
        (["restore-../x"], "restore-NAME"),
        (["restore-toy", "--kind", "thing"], "thing"),
    ],
)
def test_names_and_kinds_that_are_none(tmp_path, arguments, said):
    result = CliRunner().invoke(plugins_command, ["new", *arguments, "-o", str(tmp_path)])
    assert result.exit_code != 0
    assert said in str(result.exception) + result.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    create("restore-toy", "task", tmp_path)
    (tmp_path / "restore-toy" / "README.md").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        create("restore-toy", "task", tmp_path)
    assert (tmp_path / "restore-toy" / "README.md").read_text() == "mine"


# Checks.

Nothing = dataclasses.make_dataclass("Nothing", [], frozen=True)


class Same(restore.Task):
    name, help, Options = "same", "Leave it.", Nothing

    def problem(self, picture, options):
        pixels = picture.pixels
        return restore.Problem(y=pixels, operator=restore.Identity(), sigma_y=0.1, shape=tuple(pixels.shape))


def test_a_task_that_keeps_the_contract():
    check_task(Same())


def test_a_task_that_needs_more_of_a_prior_is_checked_with_one_that_has_it():
    """Whatever a task's method takes from the prior, the check gives it the prior that was named."""
    given = White(3, mean=0.3)
    seen = []

    class Sees(Same):
        def guidance(self, problem, options):
            return Seeing()

    class Seeing(restore.Estimator):
        def estimate(self, problem, prior, x, sigma):
            seen.extend(one.mean for one in prior.modules() if isinstance(one, White))
            return prior(x, sigma)

    check_task(Sees(), prior=given)
    assert set(seen) == {0.3}


class Raises(Same):
    def problem(self, picture, options):
        raise KeyError("oh no")


class OtherType(Same):
    def problem(self, picture, options):
        return picture


class OtherShape(Same):
    def problem(self, picture, options):
        return dataclasses.replace(super().problem(picture, options), shape=(1, 3, 5, 5))


class Writes(Same):
    def problem(self, picture, options):
        picture.pixels.mul_(0.5)
        return super().problem(picture, options)


class Draws(Same):
    def finish(self, picture, problem, restored, options):
        return picture.with_pixels(restored + 0.1 * torch.rand(1))


class Tensors(Same):
    def finish(self, picture, problem, restored, options):
        return restored


class Refuses(Same):
    def problem(self, picture, options):
        raise restore.PictureError("not today")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Raises(), "check_task: Raises raised KeyError"),
        (OtherType(), "problem returns a Picture"),
        (OtherShape(), "refuses every picture"),
        (Writes(), "problem changed the picture"),
        (Draws(), "two equal calls"),
        (Tensors(), "Tensor"),
        (Refuses(), "refuses every picture: not today"),
        (5, "no Task"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_task_that_breaks_it(task, said):
    with pytest.raises(AssertionError, match=said):
        check_task(task)


def test_whatever_an_operator_raises_is_an_assertion():
    class Broken(restore.Identity):
        def __call__(self, x):
            raise ZeroDivisionError("by nothing")

    for check in (check_operator, check_linear):
        with pytest.raises(AssertionError, match="Broken raised ZeroDivisionError: by nothing"):
            check(Broken(), (1, 3, 8, 8))


def test_the_tiny_prior_is_the_posterior_mean():
    prior = White(3, mean=0.2, deviation=0.5)
    check_prior(prior)
    generator = torch.Generator().manual_seed(0)
    x0 = 0.2 + 0.5 * torch.randn(1, 3, 128, 128, generator=generator)
    x = x0 + 0.5 * torch.randn(x0.shape, generator=generator)
    # The error of the posterior mean has the variance 1 / (1/0.25 + 1/0.25), here of 49,152 draws.
    assert float((prior(x, 0.5) - x0).square().mean()) == pytest.approx(0.125, rel=4 * (2 / x0.numel()) ** 0.5)


def test_modules_are_loaded_as_if_installed(plugin_manager):
    module = types.ModuleType("toy_module")
    module.restore_tasks = restore.hookimpl(lambda: [Same()])
    module.restore_tasks.__name__ = "restore_tasks"
    found = plugin_manager(module)
    assert found.tasks["same"].distribution == "toy-module"
    assert "inpaint" in found.tasks


def test_a_module_that_cannot_be_loaded_says_why(plugin_manager):
    with pytest.raises(AssertionError, match="no function marked"):
        plugin_manager(types.ModuleType("empty_module"))
