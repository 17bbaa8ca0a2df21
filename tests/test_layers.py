"""Rooms import only rooms below them; a room of one rank may use its neighbours."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the ground up; the longest name that fits a module counts.
LAYERS = [
    ["errors", "lazy", "options.spec", "files", "bundled", "wording", "device.memory", "device.dtype", "options.length"],
    ["operators"],
    ["exemplars"],
    ["noise.model", "noise.clipping"],
    ["problem"],
    ["networks"],
    ["priors", "sampling"],
    ["tiling", "planning.activation_memory"],
    ["guidance"],
    ["engine"],
    [
        "images",
        "results.projection",
        "results.consistency",
        "noise",
        "compression",
        "blur",
    ],
    ["diagnosis"],
    ["task", "options.run_options", "options.keywords", "options.signatures"],
    ["options"],
    ["plugins.hookspecs"],
    ["plugins"],
    ["degradation"],
    ["restore_plugins", "plugins.builtins", "device", "pretrained"],
    ["planning", "objectives"],
    ["adapting"],
    ["results", "solving.generate", "likelihood"],
    ["solving.batch", "solving.preparing"],
    ["solving"],
    ["api.typed_calls", "api.request", "api.own_method"],
    ["api.restorer"],
    ["api", "nn", "testing"],
    ["training"],
    ["cli"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted((ROOT / "restore").rglob("*.py")) + sorted((ROOT / "plugins").glob("*.py"))
EXEMPT = {ROOT / "restore" / "__init__.py", ROOT / "restore" / "__main__.py"}  # The front door names everything.


def rank(module):
    """The rank of a module written in full; None outside the project."""
    if module.split(".")[0] == "restore_plugins":
        return RANK["restore_plugins"]
    if module.split(".")[0] != "restore":
        return None
    parts = module.split(".")[1:]
    fitting = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((RANK[name] for name in fitting if name in RANK), None if not parts else -1)


def imports(node):
    """Names imported anywhere in a tree, in functions too, but not those for type checkers alone."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return [name for child in node.orelse for name in imports(child)]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written in full"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for child in ast.iter_child_nodes(node) for name in imports(child)]


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("restore_plugins", *parts[1:]) if parts[0] == "plugins" else parts)


@pytest.mark.parametrize("path", [path for path in FILES if path not in EXEMPT], ids=module_name)
def test_imports_go_down(path):
    own = module_name(path)
    assert rank(own) not in (None, -1), f"{own} has no place in LAYERS: give it one"
    for name in imports(ast.parse(path.read_text())):
        above = rank(name)
        assert above != -1, f"{own} imports {name}, which has no place in LAYERS"
        assert above is None or above <= rank(own), f"{own} imports {name} from above"
        siblings = own.startswith("restore_plugins.") and name.startswith("restore_plugins")
        assert not siblings, f"{own} imports {name}: plugins do not know one another"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import restore.cli.root", ["restore.cli.root"]),
        ("from restore.sampling import samplers, schedules", ["restore.sampling.samplers", "restore.sampling.schedules"]),
        ("def f():\n    from restore.plugins.manager import load", ["restore.plugins.manager.load"]),
        ("if TYPE_CHECKING:\n    import restore.cli\nelse:\n    import torch", ["torch"]),
    ],
)
def test_imports_are_seen(source, found):
    assert imports(ast.parse(source)) == found


def test_ranks():
    assert rank("torch.nn") is None
    assert (
        rank("restore.pretrained.prior")
        > rank("restore.plugins.manager.load")
        > rank("restore.priors.loaders.load")
        == rank("restore.sampling.samplers")
    )
    assert rank("restore.nowhere") == -1


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_are_small(path):
    assert len(path.read_text().splitlines()) <= 250, "two ideas in one file: make two of it"
