"""Results of photographs.py as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FEW, SEVERAL = 4, 16  # Pictures of the dear rows; samples whose mean is looked at.
Row = dict[str, Any]


def seen(row: Row) -> range:
    """Pictures that a line of the results stands for: one, or the first so many."""
    return range(row["pictures"]) if "pictures" in row else range(row["picture"], row["picture"] + 1)


def tables(rows: list[Row], methods: Sequence[str]) -> str:
    """Markdown: a table a task, a row a method and budget, means over pictures; `methods` in order."""
    lines = []
    groups: dict[str, dict[tuple[str, int], list[Row]]] = {}
    for row in rows:
        if not row.get("refused"):
            groups.setdefault(row["task"], {}).setdefault((row["method"], row["steps"]), []).append(row)
    for task, found in groups.items():
        lines += [f"\n### {task}\n", "| method | steps | evaluations | pictures | one answer, dB | SSIM | work | "]
        lines[-1] += f"first {FEW} pictures: one answer | mean of 4 | mean of {SEVERAL} |"
        lines.append("|" + "---|" * 10)
        for method, steps in sorted(found, key=lambda key: (methods.index(key[0]), key[1])):
            every = found[method, steps]
            few = [row | {"psnr": row.get("few", row["psnr"])} for row in every if seen(row)[0] < FEW]
            if sum(len(seen(row)) for row in few) < FEW:
                few = []  # Fewer pictures cannot be compared with four.
            cells = [(every, "nfe", ".0f"), (every, "psnr", ".2f"), (every, "ssim", ".3f"), (every, "work", ".0f")]
            cells += [(few, name, ".2f") for name in ("psnr", "mean4", f"mean{SEVERAL}")]
            shown = [mean(*cell) for cell in cells]
            shown.insert(1, str(sum(len(seen(row)) for row in every)))
            lines.append(f"| {method} | {steps} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def mean(rows: list[Row], name: str, form: str) -> str:
    """Over pictures, of the rows that hold the value."""
    held = [row for row in rows if name in row]
    if not held:
        return "-"
    return format(np.average([row[name] for row in held], weights=[len(seen(row)) for row in held]), form)
