"""`restore plugins new`: a folder with a plugin that installs and passes its tests as it is."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from string import Template

from restore.errors import PictureError, UsageError

KINDS = ("task", "operator", "guidance", "prior")
HEAVY = ("guidance", "prior")  # Their classes need torch, which the module of the entry point must not load.
USAGE = {
    "task": "restore {short} photo.png",
    "operator": 'restore run photo.png --op "{short}:3 | noise:2"',
    "guidance": "restore inpaint photo.png --mask mask.png --guidance {short}:weight=2",
    "prior": "restore denoise photo.png --prior {short}:any",
}
NAME = re.compile(r"restore-[a-z][a-z0-9]*(-[a-z0-9]+)*")
# Of a file in the new folder: the template that it is made of. {module}, {kind} are filled in.
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".github/workflows/test.yml": "test.yml",
    "{module}.py": "{kind}.py",
    "tests/conftest.py": "conftest.py",
    "tests/test_{module}.py": "test_{kind}.py",
}


def create(name: str, kind: str, where: Path) -> list[Path]:
    """Write the folder `where / name`; returns its files.

    Raises: UsageError for a name that is not restore-NAME in lower case; PictureError if the folder is there already or cannot
    be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a plugin; give restore-NAME, in lower case with hyphens")
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of plugin; give one of {', '.join(KINDS)}")
    folder = where / name
    if folder.exists():
        raise UsageError(f"{folder} exists already; give another name, or remove it")
    short = name.removeprefix("restore-")
    words = {
        "name": name,
        "short": short,
        "module": name.replace("-", "_"),
        "title": "".join(part.title() for part in short.split("-")),
        "kind": kind,
        "toolkit": metadata.version("diffusion-restore"),
        "function": short.replace("-", "_"),
        "usage": USAGE[kind].format(short=short),
    }
    chosen = dict(FILES)
    if kind in HEAVY:
        chosen["{module}_plugin.py"] = "{kind}_plugin.py"
    modules = [words["module"], *([f"{words['module']}_plugin"] if kind in HEAVY else [])]
    words |= {"entry": modules[-1], "modules": ", ".join(f'"{module}"' for module in modules)}
    made = []
    for target, source in chosen.items():
        path = folder / target.format(**words)
        text = (files(__package__) / "templates" / f"{source.format(**words)}.txt").read_text()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(text).substitute(words))
        except OSError as error:
            raise PictureError(f"{path} cannot be written ({error.strerror}); name another place") from None
        made.append(path)
    return made
