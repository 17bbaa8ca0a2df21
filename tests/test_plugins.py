"""The plugin manager: a broken plugin is one warning and the rest work, a clash is an error, order never matters."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from distributions import environment, install

from restore.cli import main
from restore.errors import PluginError, UsageError
from restore.plugins import manager as plugins
from restore.plugins import selection

CHECKOUT = Path(__file__).parent.parent
GOOD = """
@hookimpl
def restore_tasks(): return [named("{name}")]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with environment(tmp_path / "site") as folder:
        yield folder


def record_of(distribution: str) -> plugins.Record:
    return next(record for record in plugins.load().records if record.distribution == distribution)


def test_every_hook_gives_names(site: Path) -> None:
    install(
        site,
        "restore-all",
        """
        @hookimpl
        def restore_tasks(): yield named("polish")
        @hookimpl
        def restore_guidances(): return {"nudge": dict}
        @hookimpl
        def restore_priors(): return {"flat": dict}
        @hookimpl
        def restore_operators(): return {"fog": dict}
        """,
    )
    loaded = plugins.load()
    assert loaded.task("polish").name == "polish"
    assert all(callable(found) for found in (loaded.guidance("nudge"), loaded.prior("flat"), loaded.operator("fog")))
    assert loaded.tasks["polish"].distribution == "restore-all"
    assert plugins.load() is loaded
    record = record_of("restore-all")
    assert (record.state, record.version, record.error) == ("ok", "1.0", "")
    assert record.seconds > 0


BROKEN = {
    "import": ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "syntax": ("def (:", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "nothing": ("def restore_tasks(): return []", "has no function marked @hookimpl"),
    "misspelt": ("@hookimpl\ndef restore_taks(): return []", "unknown hook 'restore_taks'; did you mean 'restore_tasks'"),
    "argument": ("@hookimpl\ndef restore_tasks(cookie): return []", "cookie"),
    "raises": ("@hookimpl\ndef restore_tasks(): return 1 / 0", "ZeroDivisionError: division by zero"),
    "later": ("@hookimpl\ndef restore_tasks():\n    yield named('early')\n    1 / 0", "ZeroDivisionError"),
    "class": ("@hookimpl\ndef restore_tasks(): return [type(named('a'))]", "not a Task object"),
    "number": ("@hookimpl\ndef restore_tasks(): return 7", "TypeError"),
    "mapping": ("@hookimpl\ndef restore_priors(): return ['flat']", "restore_priors returns a list, not a mapping"),
    "callable": ("@hookimpl\ndef restore_guidances(): return {'nudge': 3}", "nudge is 3, which cannot be called"),
    "nameless": ("@hookimpl\ndef restore_tasks(): return [named(None)]", "Toy.name is None; give a name in lower case"),
    "capitals": ("@hookimpl\ndef restore_tasks(): return [named('Polish It')]", "Toy.name is 'Polish It'"),
    "command": ("@hookimpl\ndef restore_tasks(): return [named('plugins')]", "Toy.name is 'plugins'"),
    "twice": ("@hookimpl\ndef restore_tasks(): return [named('a'), named('a')]", "restore_tasks returns 'a' twice"),
    "helpless": (
        "@hookimpl\ndef restore_tasks():\n    task = named('a')\n    type(task).help = None\n    return [task]",
        "task a has no help",
    ),
    "options": (
        "@hookimpl\ndef restore_tasks(): return [named('a', int)]",
        "Options is <class 'int'>, not a dataclass",
    ),
    "no default": (
        "@dataclass\nclass O: size: int\n@hookimpl\ndef restore_tasks(): return [named('a', O)]",
        "task a: Options.size has no default",
    ),
    "no command": ("@hookimpl\ndef restore_commands(): return {'polish': print}", "polish is a builtin_function"),
    "command of ours": ("@hookimpl\ndef restore_commands(): return {'train': None}", "'train'; give a name"),
    "field type": (
        "@dataclass\nclass O: size: list = None\n@hookimpl\ndef restore_tasks(): return [named('a', O)]",
        "task a: Options.size is of type <class 'list'>",
    ),
    "reserved": (
        "@dataclass\nclass O: seed: int = 0\n@hookimpl\ndef restore_tasks(): return [named('a', O)]",
        "task a: Options.seed: the toolkit has an option of that name",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_one_warning_and_the_rest_work(fault: str, site: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, said = BROKEN[fault]
    install(site, "restore-broken", source)
    install(site, "restore-good", GOOD.format(name="polish"))
    with caplog.at_level(logging.WARNING, "restore"):
        loaded = plugins.load()

    warnings = [record.getMessage() for record in caplog.records if "restore-broken" in record.getMessage()]
    assert len(warnings) == 1
    assert said in warnings[0]
    assert "\n" not in warnings[0]
    assert record_of("restore-broken").state == "error"
    assert not [name for name, found in loaded.tasks.items() if found.distribution == "restore-broken"]
    assert loaded.task("polish").name == "polish"


def test_two_plugins_with_one_name_are_an_error_when_it_is_said(site: Path) -> None:
    install(site, "restore-one", "@hookimpl\ndef restore_tasks(): return [named('polish'), named('wax')]")
    install(site, "restore-two", GOOD.format(name="polish"))
    loaded = plugins.load()
    assert loaded.task("wax").name == "wax"
    assert "polish" not in loaded.tasks
    with pytest.raises(UsageError, match=r"task 'polish' is provided by restore-one and restore-two; uninstall one"):
        loaded.task("polish")


def test_order_of_installation_does_not_matter(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        install(site, f"restore-n{number}", GOOD.format(name="polish" if number in (1, 3) else f"task{number}"))
    found = plugins.load()
    listed = list(metadata.entry_points(group="restore"))
    for seed in range(4):
        shuffled = random.Random(seed).sample(listed, len(listed))
        monkeypatch.setattr(metadata, "entry_points", lambda group, these=shuffled: these)
        plugins.load.cache_clear()
        again = plugins.load()
        assert list(again.tasks) == list(found.tasks)
        assert again.clashes == found.clashes == {("task", "polish"): ("restore-n1", "restore-n3")}
        assert [record.distribution for record in again.records] == [record.distribution for record in found.records]


@pytest.mark.parametrize(
    ("chosen", "tasks"),
    [
        (None, {"one", "two", "own"}),
        ("", {"own"}),
        ("restore-one", {"one", "own"}),
        ("Restore_One, second", {"one", "two", "own"}),
    ],
)
def test_selection(chosen: str | None, tasks: set[str], site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "restore-one", GOOD.format(name="one"))
    install(site, "restore-two", GOOD.format(name="two"), entry="second")
    install(site, "built-in", GOOD.format(name="own"))
    for module in (plugins, selection):
        monkeypatch.setattr(module, "BUILT_IN", "built-in")
    monkeypatch.delenv(plugins.SELECTION, raising=False)
    if chosen is not None:
        monkeypatch.setenv(plugins.SELECTION, chosen)
    loaded = plugins.load()
    assert {"one", "two", "own"} & set(loaded.tasks) == tasks
    states = {record.distribution: record.state for record in loaded.records}
    assert states["restore-two"] == ("ok" if "two" in tasks else "not selected")


def test_a_selected_plugin_that_is_not_installed_is_said(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "restore-one", GOOD.format(name="one"))
    monkeypatch.setenv(plugins.SELECTION, "restore-oen")
    with caplog.at_level(logging.WARNING, "restore"):
        plugins.load()
    assert "RESTORE_PLUGINS names 'restore-oen', which is not installed; did you mean 'restore-one'" in caplog.text


def test_misspelt_names_are_suggested(site: Path) -> None:
    install(site, "restore-good", GOOD.format(name="polish"))
    with pytest.raises(UsageError, match=r"unknown task 'polihs'; did you mean 'polish'\?"):
        plugins.load().task("polihs")
    with pytest.raises(UsageError, match=r"unknown operator 'fog'"):
        plugins.load().operator("fog")


def test_a_known_task_that_is_not_installed_names_its_package(site: Path) -> None:
    with pytest.raises(UsageError, match=r"task 'dead-columns' is not installed; .* pip install samples/restore-dead-columns$"):
        plugins.load().task("dead-columns")
    install(site, "restore-mine", GOOD.format(name="dead-columns"))
    plugins.load.cache_clear()
    assert plugins.load().task("dead-columns").name == "dead-columns"


def test_what_is_said_to_install_a_task_is_a_package_with_that_task() -> None:
    for name, advice in plugins.INSTALLING.items():
        project = CHECKOUT / advice.rpartition("pip install ")[2] / "pyproject.toml"
        entry_points = project.read_text().partition("[project.entry-points.restore]\n")[2]
        assert entry_points.startswith(f"{name} = ")


def test_what_is_loaded_cannot_be_changed(site: Path) -> None:
    loaded = plugins.load()
    with pytest.raises(AttributeError):
        loaded.tasks = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        loaded.tasks["new"] = None  # type: ignore[index]


COMMANDS = """
import click

@click.command("shine", help="Shine a picture.")
@click.argument("count", type=int)
def shine(count):
    if count == 7: 1 / 0
    if count == 8: raise SystemExit(0)
    print("shining", count)
    return count

@hookimpl
def restore_commands(): return {"shine": shine, "inpaint": shine}
"""


def test_a_plugin_has_commands_that_are_no_tasks(
    site: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "restore-shine", COMMANDS)
    assert main(["--help"]) == 0
    assert re.search(r"^  shine +Shine a picture\.$", capfd.readouterr().out, re.MULTILINE)
    assert main(["shine", "0"]) == 0
    assert capfd.readouterr().out == "shining 0\n"
    assert main(["shine", "3"]) == 3
    assert main(["shine", "many"]) == UsageError.exit_code  # As click says it.
    assert "'many' is not a valid integer" in capfd.readouterr().err
    for count, said in (("7", "ZeroDivisionError"), ("8", "SystemExit")):
        assert main(["shine", count]) == PluginError.exit_code
        assert f"command 'shine' of restore-shine 1.0 is at fault: Command.invoke raised {said}" in capfd.readouterr().err
    assert "inpaint" in plugins.load().tasks
    assert "inpaint" not in plugins.load().commands


def test_two_plugins_with_one_command_are_an_error_when_it_is_typed(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("restore-one", "restore-two"):
        install(site, name, COMMANDS)
    assert main(["shine", "1"]) == UsageError.exit_code
    assert "command 'shine' is provided by restore-one and restore-two" in capfd.readouterr().err
