"""Faults of third-party code while it runs: each names the plugin, its distribution and the call, and the toolkit goes on."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from distributions import install
from toys import TOY, Command, picture, process

from restore import Restorer, images
from restore.errors import OutOfMemoryError, PluginError, PriorError, UsageError
from restore.operators import Identity
from restore.plugins import manager as plugins

CODE = PluginError.exit_code
SOURCE = """
from restore.errors import OutOfMemoryError, UsageError

def made(picture, **parts):
    from restore.operators import Identity
    from restore.problem import Problem
    known = dict(y=picture.pixels, operator=Identity(), sigma_y=0.1, shape=tuple(picture.pixels.shape))
    return Problem(**(known | parts))

def gain(**methods):
    from restore.operators import Linear
    class Gain(Linear):
        def __call__(self, x): return 0.5 * x
        def pinv(self, y): return 2 * y
        def adjoint(self, y): return 0.5 * y
        def prox(self, v, y, rho): return (0.5 * y + rho * v) / (0.25 + rho)
        def solve(self, r, scale, shift): return r / (0.25 * scale + shift)
    return type("Gain", (Gain,), methods)()

def mine(**methods):
    from restore.guidance import Estimator
    class Mine(Estimator):
        def estimate(self, problem, prior, x, sigma): return prior(x, sigma)
    return type("Mine", (Mine,), methods)()

def flat(**parts):
    from restore.priors import Prior
    class Flat(Prior):
        def denoise(self, x, sigma): return x / (1 + sigma[:, None, None, None] ** 2)
    return type("Flat", (Flat,), parts)()

def fail(*given, **words): raise KeyError("oh no")
def raising(error): raise error

def bound(**methods):
    from restore.operators.constraint import Constraint
    class Bound(Constraint):
        def project(self, y): return y
    return type("Bound", (Bound,), methods)()

def pair(first, last):
    from restore.operators.compose import ComposeLinear
    return ComposeLinear(first, last)

def leave(*given, **words): raise SystemExit(0)

@dataclass
class Strict:
    strength: int = 3
    def __post_init__(self):
        if self.strength == 4: fail()

class Toy(Task):
    name, help, Options = "polish", "a toy", Strict
    def problem(self, picture, options): return made(picture)

def task(**methods):
    return type("Toy", (Toy,), methods)()

@hookimpl
def restore_tasks(): return [task({task})]
@hookimpl
def restore_guidances(): return {"mine": lambda **words: {guidance}}
@hookimpl
def restore_priors(): return {"flat": lambda name, dtype, local_files_only: {prior}}
"""
HEAD = """
from dataclasses import dataclass, field
from restore import Task, hookimpl
"""
Y = "problem=lambda self, picture, options: made(picture, {})"
OPERATOR = "problem=lambda self, picture, options: made(picture, operator=gain({}), y=0.5 * picture.pixels)"
TASK, METHOD, PRIOR = "task 'polish'", "guidance 'mine'", "prior 'flat'"

# Where the fault lies, what it is, and what is said: the object, the call and the fault.
FAULTS = {
    "problem raises": ("task", "problem=fail", TASK, "Toy.problem raised KeyError: 'oh no'"),
    "problem ends the program": ("task", "problem=leave", TASK, "Toy.problem raised SystemExit: 0"),
    "problem ends a generator": ("task", "problem=lambda *given: raising(GeneratorExit())", TASK, "raised GeneratorExit"),
    "problem does not end": ("task", "problem=lambda self, *given: self.problem(*given)", TASK, "raised RecursionError"),
    "an error that cannot be said": (
        "task",
        "problem=lambda *given: raising(type('Mute', (Exception,), {'__str__': fail})())",
        TASK,
        "Toy.problem raised Mute",
    ),
    "a constraint that raises": (
        "task",
        Y.format("constraint=bound(project=fail)"),
        TASK,
        "Bound.project raised KeyError",
    ),
    "an operator inside one of the toolkit": (
        "task",
        Y.format("operator=pair(gain(adjoint=fail), gain()), y=0.25 * picture.pixels"),
        TASK,
        "Gain.adjoint raised KeyError",
    ),
    "a method of the task raises": (
        "task",
        "guidance=lambda *given: mine(estimate=fail)",
        TASK,
        "Mine.estimate raised KeyError",
    ),
    "problem returns another type": ("task", "problem=lambda *given: 7", TASK, "Toy.problem returned a int, not a Problem"),
    "operator of another type": ("task", Y.format("operator=abs"), TASK, "Toy.problem raised OperatorError: operator is"),
    "y of another shape": ("task", Y.format("y=picture.pixels[..., 1:]"), TASK, "whose parts do not fit"),
    "y of another dtype": ("task", Y.format("y=picture.pixels.double()"), TASK, "y: float64, not float32"),
    "y of no tensor": ("task", Y.format("y=[1.0]"), TASK, "Toy.problem raised PictureError: y is a tensor"),
    "y with NaN": ("task", Y.format("y=picture.pixels / 0 * 0"), TASK, "the picture holds NaN or infinite values"),
    "a negative noise level": ("task", Y.format("sigma_y=-1.0"), TASK, "the noise level must be zero or more"),
    "a shape of no picture": ("task", Y.format("shape=(3, 4)"), TASK, "Toy.problem raised PictureError: shape is (B, C, H, W)"),
    "a start of another shape": ("task", Y.format("start=picture.pixels[..., 1:]"), TASK, "returned start: (1, 3, 12, 15)"),
    "a guidance of another type": ("task", "guidance=lambda *given: 'pnp'", TASK, "Toy.guidance returned a str"),
    "guidance raises": ("task", "guidance=fail", TASK, "Toy.guidance raised KeyError"),
    "found is no JSON": ("task", "found=lambda *given: {'x': {1}}", TASK, "Toy.found returned what JSON has no value for"),
    "found raises": ("task", "found=fail", TASK, "Toy.found raised KeyError"),
    "finish raises": ("task", "finish=fail", TASK, "Toy.finish raised KeyError"),
    "finish returns a tensor": (
        "task",
        "finish=lambda self, picture, problem, restored, options: restored",
        TASK,
        "Toy.finish returned a Tensor, not a Picture",
    ),
    "finish makes NaN": (
        "task",
        "finish=lambda self, picture, problem, restored, options: picture.with_pixels(restored * float('nan'))",
        TASK,
        "Toy.finish raised PictureError",
    ),
    "finish makes another shape": (
        "task",
        "finish=lambda self, picture, problem, restored, options: picture.with_pixels(restored[0])",
        TASK,
        "Toy.finish raised PictureError",
    ),
    "operator raises": ("task", OPERATOR.format("__call__=fail"), TASK, "Gain.__call__ raised KeyError"),
    "operator makes NaN": (
        "task",
        OPERATOR.format("__call__=lambda self, x: x * float('nan')"),
        TASK,
        "Gain.__call__ returned NaN",
    ),
    "pinv of another shape": (
        "task",
        OPERATOR.format("pinv=lambda self, y: y[..., 1:]"),
        TASK,
        "Gain.pinv returned (1, 3, 12, 15)",
    ),
    "prox raises in the run": ("task", OPERATOR.format("prox=fail"), TASK, "Gain.prox raised KeyError"),
    "prox of another shape": (
        "task",
        OPERATOR.format("prox=lambda self, v, y, rho: v[..., 1:]"),
        TASK,
        "Gain.prox returned (1, 3, 12, 15)",
    ),
    "crop of a number": ("task", OPERATOR.format("crop=lambda self, box: 3"), TASK, "Gain.crop returned a int"),
    "a crop that raises": (
        "task",
        OPERATOR.format("crop=lambda self, box: gain(__call__=fail)"),
        TASK,
        "Gain.__call__ raised KeyError",
    ),
    "missing_mask of numbers": (
        "task",
        OPERATOR.format("missing_mask=lambda self, shape: 3"),
        TASK,
        "Gain.missing_mask returned a int",
    ),
    "factory raises": ("guidance", "fail()", METHOD, "its factory raised KeyError"),
    "factory returns another type": ("guidance", "dict()", METHOD, "its factory returned a dict, not a Guidance"),
    "estimate raises": ("guidance", "mine(estimate=fail)", METHOD, "Mine.estimate raised KeyError"),
    "estimate of another shape": (
        "guidance",
        "mine(estimate=lambda self, p, d, x, s: x[..., 1:])",
        METHOD,
        "Mine.estimate returned (1, 3, 12, 15)",
    ),
    "estimate of NaN": ("guidance", "mine(estimate=lambda self, p, d, x, s: x / 0)", METHOD, "Mine.estimate returned NaN"),
    "estimate of None": ("guidance", "mine(estimate=lambda *given: None)", METHOD, "Mine.estimate returned a NoneType"),
    "step raises": ("guidance", "mine(step=fail)", METHOD, "Mine.step raised KeyError"),
    "step of NaN": (
        "guidance",
        "mine(step=lambda self, p, d, s, x, *given: x * float('nan'))",
        METHOD,
        "Mine.step returned NaN",
    ),
    "step of another shape": (
        "guidance",
        "mine(step=lambda self, p, d, s, x, *given: x[0])",
        METHOD,
        "Mine.step returned (3, 12, 16)",
    ),
    "step misuses the prior": (
        "guidance",
        "mine(step=lambda self, p, d, s, x, *given: d(x[0], 1.0))",
        METHOD,
        "Mine.step raised PriorError",
    ),
    "start raises": ("guidance", "mine(start=fail)", METHOD, "Mine.start raised KeyError"),
    "schedule of nothing": ("guidance", "mine(schedule=lambda *given: [])", METHOD, "Mine.schedule returned a list"),
    "schedule without end": (
        "guidance",
        "mine(schedule=lambda self, prior, problem, steps: problem.y.new_ones(5))",
        METHOD,
        "Mine.schedule returned no schedule",
    ),
    "an answer of another kind": ("guidance", "mine(answer='guess')", METHOD, "a method whose answer is 'guess'"),
    "check raises": ("guidance", "mine(check=fail)", METHOD, "Mine.check raised KeyError"),
    "picture of another shape": (
        "guidance",
        "mine(picture=lambda self, p, x: x[:, :1])",
        METHOD,
        "Mine.picture returned (1, 1,",
    ),
    "wrap_prior of a number": ("guidance", "mine(wrap_prior=lambda self, prior: 3)", METHOD, "Mine.wrap_prior returned a int"),
    "a sampler that raises": ("guidance", "mine(sampler=lambda self: fail)", METHOD, "Mine.step raised KeyError"),
    "preset of a number": ("guidance", "mine(preset=lambda *given: 3)", METHOD, "Mine.preset returned 3"),
    "sampler of None": ("guidance", "mine(sampler=lambda self: None)", METHOD, "Mine.sampler returned a NoneType"),
    "loader raises": ("prior", "fail()", PRIOR, "its factory raised KeyError"),
    "loader returns another type": ("prior", "object()", PRIOR, "its factory returned a object, not a Prior"),
    "a prior without channels": ("prior", "flat(channels=0)", PRIOR, "returned a prior whose channels is 0"),
    "levels of no tensor": ("prior", "flat(levels=[3, 2, 1])", PRIOR, "returned a prior whose levels is [3, 2, 1]"),
    "noise levels of None": ("prior", "flat(sigma_max=None)", PRIOR, "returned a prior whose sigma_max is None"),
    "a dtype of text": ("prior", "flat(effective_dtype=lambda self, device: 'half')", PRIOR, "effective_dtype returned a str"),
    "a prior that cannot be moved": ("prior", "flat(to=fail)", PRIOR, "Flat.to raised KeyError"),
    "denoise raises": ("prior", "flat(denoise=fail)", PRIOR, "Flat.denoise raised KeyError"),
    "denoise of NaN": ("prior", "flat(denoise=lambda self, x, sigma: x * float('nan'))", PRIOR, "Flat.denoise returned NaN"),
    "denoise of another shape": (
        "prior",
        "flat(denoise=lambda self, x, sigma: x[:, :1])",
        PRIOR,
        "Flat.denoise returned (1, 1, 12, 16)",
    ),
    "denoise of integers": ("prior", "flat(denoise=lambda self, x, sigma: x.long())", PRIOR, "Flat.denoise returned int64"),
}


def source(**parts: str) -> str:
    text = SOURCE
    for part, code in {"task": "", "guidance": "mine()", "prior": "flat()", **parts}.items():
        text = text.replace("{" + part + "}", code)
    return text


@pytest.fixture
def shop(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of `restore`, with all plugins selected."""
    monkeypatch.delenv(plugins.SELECTION)
    return place


def put(shop: Path, text: str, name: str = "restore-polish", head: str = HEAD) -> None:
    install(shop.parent / "site", name, text, head=head)
    plugins.load.cache_clear()


WORDS = ["polish", "img.png", "--prior", "flat:", *TOY[2:]]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_plugin_distribution_and_call(restore: Command, shop: Path, fault: str) -> None:
    part, code, what, said = FAULTS[fault]
    put(shop, source(**{part: code}))
    words = [*WORDS, "--guidance", "mine"] if part == "guidance" else WORDS
    ran = restore(*words)
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ran.err
    assert f"{what} of restore-polish 1.0 is at fault: " in errors[0]
    assert said in errors[0]
    assert "bug" not in ran.err
    assert "Traceback" not in ran.err
    assert (ran.code, ran.out) == (CODE, "")
    assert [path.name for path in shop.iterdir()] == ["img.png"]

    # The toolkit's own goes on.
    assert restore("--help").code == 0
    assert restore("denoise", "img.png", "--sigma", "20", "--prior", "toy:fast", *TOY[2:]).out == "img.denoise.png\n"


def test_without_a_fault_the_same_plugin_works(restore: Command, shop: Path) -> None:
    put(shop, source(task=OPERATOR.format("")))
    ran = restore(*WORDS)
    assert (ran.code, ran.out, ran.err) == (0, "img.polish.png\n", "")
    assert restore(*WORDS, "--guidance", "mine", "--overwrite").code == 0


def test_the_traceback_is_shown_when_asked_for(restore: Command, shop: Path) -> None:
    put(shop, source(task="finish=fail"))
    ran = restore(*WORDS, "-vv")
    assert "in fail" in ran.err
    assert "KeyError: 'oh no'" in ran.err


def test_options_that_fail_are_the_plugins(restore: Command, shop: Path) -> None:
    put(shop, source())
    ran = restore(*WORDS, "--strength", "4")
    assert ran.code == CODE
    assert "task 'polish' of restore-polish 1.0 is at fault: Toy.Options raised KeyError: 'oh no'" in ran.err
    assert restore(*WORDS, "--strength", "5").code == 0


def test_what_a_plugin_refuses_on_purpose_is_no_fault(restore: Command, shop: Path) -> None:
    put(shop, source(task="problem=lambda *given: (_ for _ in ()).throw(UsageError('not today'))"))
    ran = restore(*WORDS)
    assert (ran.code, ran.err) == (2, "error: not today\n")
    put(shop, source(), "restore-other")
    with pytest.raises(UsageError, match="task 'polish' is provided by restore-other and restore-polish"):
        plugins.load().task("polish")


def test_an_unknown_keyword_of_a_factory_is_a_usage_error(restore: Command, shop: Path) -> None:
    put(shop, source(guidance="(lambda weight=1.0: mine())(**words)"))
    assert restore(*WORDS, "--guidance", "mine:weight=2").code == 0
    ran = restore(*WORDS, "--guidance", "mine:wait=2", "--overwrite")
    assert ran.code == 2
    assert "unexpected keyword argument 'wait'" in ran.err


def test_lack_of_memory_in_a_plugin_stays_what_it_is(restore: Command, shop: Path) -> None:
    put(shop, source(task="problem=lambda *given: (_ for _ in ()).throw(MemoryError())"))
    assert restore(*WORDS).code == OutOfMemoryError.exit_code


def test_a_fault_in_one_picture_leaves_the_others(restore: Command, shop: Path) -> None:
    picture(shop / "in/a.png", 1)
    picture(shop / "in/b.png", 2)
    bright = f"picture.pixels[0, 0, 0, 0] > {_between(shop)}"
    put(shop, source(task=f"problem=lambda self, picture, options: fail() if {bright} else made(picture)"))
    ran = restore("polish", "in", *WORDS[2:])
    assert ran.code == CODE
    assert len(ran.out.split()) == 1
    assert "1 of 2 pictures failed" in ran.err


def _between(shop: Path) -> float:
    values = [float(images.read(shop / f"in/{name}.png").pixels[0, 0, 0, 0]) for name in "ab"]
    assert values[0] != values[1]
    return sum(values) / 2


def test_a_prior_that_cannot_be_loaded_stops_at_the_first_picture(restore: Command, shop: Path) -> None:
    picture(shop / "in/a.png", 1)
    picture(shop / "in/b.png", 2)
    put(shop, source(prior="fail()"))
    ran = restore("polish", "in", *WORDS[2:])
    assert ran.code == CODE
    assert ran.err.count("is at fault") == 1
    with pytest.raises(PriorError):
        Restorer.from_pretrained("flat:", device="cpu")


def test_python_raises_a_type_of_its_own_with_the_cause(shop: Path) -> None:
    put(shop, source(task="finish=fail"))
    restorer = Restorer.from_pretrained("flat:", device="cpu", dtype="float32")
    given = np.zeros((12, 16, 3), np.uint8)
    with pytest.raises(PluginError, match=r"task 'polish' of restore-polish 1\.0") as caught:
        restorer("polish", given, steps=2)
    assert isinstance(caught.value.__cause__, KeyError)


def test_objects_keep_their_classes(shop: Path) -> None:
    put(shop, source(task=OPERATOR.format("")))
    loaded = plugins.load()
    assert type(loaded.task("polish")).__name__ == "Toy"
    assert type(loaded.guidance("mine")()).__name__ == "Mine"
    task = loaded.task("inpaint")
    assert type(task).__module__ == "restore_plugins.inpaint"
    assert type(loaded.operator("identity")((3, 4, 4))) is Identity
    assert torch.is_tensor(loaded.prior("flat")("", dtype=None, local_files_only=True)(torch.zeros(1, 3, 4, 4), 1.0))


# Prints

NOISY = """
import os, sys
print("at import")
def say(*given):
    print("by print")
    os.system("echo by a program")
    os.write(1, b"by number\\n")
    sys.__stdout__.write("by the first stdout\\n")
"""


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_what_a_plugin_prints_does_not_get_among_the_results(shop: Path, words: list[str]) -> None:
    code = NOISY + source(task="problem=lambda self, picture, options: (say(), made(picture))[1]")
    put(shop, code)
    run = process(shop, *WORDS, *words)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert (json.loads(out)["output"] if words else out) == ("img.polish.png" if words else "img.polish.png\n")
    for said in ("at import", "by print", "by a program", "by number", "by the first stdout"):
        assert said in err


def test_a_picture_on_stdout_is_free_of_prints(shop: Path) -> None:
    put(shop, NOISY + source(task="problem=lambda self, picture, options: (say(), made(picture))[1]"))
    assert _shell(shop, "polish - -o - --prior flat: --device cpu --dtype float32 --steps 2 <img.png >out.png 2>err") == 0
    assert images.read(shop / "out.png").size == (12, 16)
    assert "by a program" in (shop / "err").read_text()


@pytest.mark.slow
def test_a_picture_on_a_full_stdout_is_an_error(shop: Path) -> None:
    put(shop, NOISY + source(task="problem=lambda self, picture, options: (say(), made(picture))[1]"))
    assert _shell(shop, "polish - -o - --prior flat: --device cpu --steps 2 <img.png >/dev/full 2>err") == 1
    assert "bug" not in (shop / "err").read_text()


# Names of the toolkit


def test_a_name_of_the_toolkit_stays_the_toolkits(restore: Command, shop: Path) -> None:
    put(shop, source(task="name='denoise'"), "restore-usurper")
    ran = restore("denoise", "img.png", "--sigma", "20", "--prior", "toy:fast", *TOY[2:])
    assert (ran.code, ran.out) == (0, "img.denoise.png\n")
    assert "warning: task 'denoise' of restore-usurper 1.0 is left out: the toolkit has its own" in ran.err
    assert type(plugins.load().task("denoise")).__module__ == "restore_plugins.denoise"
    assert list(plugins.load().guidances).count("mine") == 1  # What else it provides is there.
    listed = restore("plugins")
    line = next(line for line in listed.out.splitlines() if line.startswith("restore-usurper"))
    assert "task denoise is left out" in line
    told = {one["distribution"]: one["left_out"] for one in json.loads(restore("plugins", "--json").out)}
    assert told["restore-usurper"] == ["task denoise"]
    assert told["diffusion-restore"] == []


def test_a_class_whose_help_cannot_be_made_takes_no_other_command_down(restore: Command, shop: Path) -> None:
    head = HEAD + "\n@dataclass\nclass Odd:\n    x: int = field(default=1, metadata={'help': 'use {x}'})\n"
    put(shop, source(task="Options=Odd"), head=head)
    ran = restore("polish", "--help")
    assert ran.code == 0
    assert "use {x}" in ran.out
    assert restore("--help").code == 0


# Streams of the command


@pytest.mark.parametrize(
    "closing",
    [pytest.param(words, marks=pytest.mark.slow) for words in ("2>&-", "2>/dev/full", ">&- 2>&-")] + ["<&- >&- 2>&-"],
)
def test_without_stderr_the_work_is_done(place: Path, closing: str) -> None:
    assert _shell(place, f"soften img.png {' '.join(TOY)} {closing}") == 0
    assert (place / "img.soften.png").is_file()
    assert _shell(place, f"soften gone.png {' '.join(TOY)} {closing}") == 1


def test_a_full_stdout_is_one_line(place: Path) -> None:
    assert _shell(place, f"soften img.png {' '.join(TOY)} >/dev/full 2>err") == 1
    assert (
        place / "err"
    ).read_text() == "error: stdout cannot be written (No space left on device); finished results are kept\n"
    assert (place / "img.soften.png").is_file()
    assert _shell(place, "plugins >/dev/full 2>err") == 1
    assert (place / "err").read_text().count("\n") == 1


def test_a_reader_that_goes_is_no_error(place: Path) -> None:
    assert _shell(place, "plugins 2>err | true; exit ${PIPESTATUS[0]}") in (0, 141)  # 0 if all fitted into the pipe first.
    assert (place / "err").read_text() == ""


@pytest.mark.parametrize("kilobytes", [60_000, 300_000, 520_000, 700_000])
def test_too_little_memory_for_imports_is_one_line(place: Path, kilobytes: int) -> None:
    assert (
        _shell(place, f"soften img.png {' '.join(TOY)} 2>err", before=f"ulimit -v {kilobytes}; ") == OutOfMemoryError.exit_code
    )
    lines = (place / "err").read_text().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert "not enough memory" in lines[-1]


def _shell(place: Path, words: str, before: str = "") -> int:
    root = Path(plugins.__file__).parents[2]
    return subprocess.run(
        ["bash", "-c", f"{before}{shlex.quote(sys.executable)} -m restore {words}"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(place.parent / "site"), str(root)]), "OMP_NUM_THREADS": "1"},
        timeout=120,
    ).returncode
