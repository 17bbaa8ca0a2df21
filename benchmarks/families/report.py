"""Measures the priors that `families-train` trained, and draws one figure of each.

    python -m benchmarks families runs/families --figures docs/reports/families

For every family that is done: samples from nothing, and held-out pictures with the right half hidden and filled (RePaint), with
noise of 80 grey levels and denoised, and reduced by 2 and enlarged, PSNR over so many of them; bits a dimension by `restore
evaluate`. What was measured lies in OUT/FAMILY/measures.json, so that only new families are measured; the table is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import arguments
from benchmarks.metrics import psnr

Pictures = NDArray[np.uint8]
SIGMA, COLUMNS, MEASURED, ZOOM, MARGIN = 80, 12, 32, 2, 104
ORDER = ("ddpm", "vp", "subvp", "ve", "ncsn", "edm", "flow")


def mean_psnr(found: Pictures, truth: Pictures) -> tuple[float, float]:
    """Mean over pictures of each one's PSNR in dB, at most 78, and its standard error."""
    pairs = zip(found, truth, strict=True)
    each = np.minimum([psnr(one, other) if (one != other).any() else np.inf for one, other in pairs], 78.13)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def enlarged(small: Pictures, how: int) -> Pictures:
    return np.stack([cv2.resize(picture, None, fx=2, fy=2, interpolation=how) for picture in small])


def tasks(restorer: Any, truth: Pictures) -> tuple[dict[str, tuple[float, float]], list[tuple[str, Pictures]]]:
    """PSNR of each task, of what was given and what came back, and the rows of the figure."""
    side = truth.shape[1]
    mask = np.zeros(truth.shape[1:3], np.uint8)
    mask[:, side // 2 :] = 255
    hidden = truth.copy()
    hidden[:, :, side // 2 :] = 0
    rng = np.random.default_rng(0)
    noisy = (truth + rng.normal(0, SIGMA, truth.shape)).round().clip(0, 255).astype(np.uint8)
    small = np.stack([cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for picture in truth])

    def each(pictures: Pictures, run: Callable[..., Any]) -> Pictures:
        answers = [run(picture, name=str(index)).image for index, picture in enumerate(pictures)]
        return np.stack([np.asarray(answer, np.uint8).reshape(truth.shape[1:]) for answer in answers])

    filled = each(hidden, lambda x, **words: restorer("inpaint", x, mask=mask, guidance="repaint", **words))
    denoised = each(noisy, lambda x, **words: restorer("denoise", x, sigma=SIGMA, **words))
    larger = each(small, lambda x, **words: restorer("super-resolution", x, scale=2, reduced_by="box", **words))
    half = slice(side // 2, None)
    measures = {
        "inpaint": mean_psnr(filled[:, :, half], truth[:, :, half]),
        "noisy": mean_psnr(noisy, truth),
        "denoise": mean_psnr(denoised, truth),
        "bicubic": mean_psnr(enlarged(small, cv2.INTER_CUBIC), truth),
        "super-resolution": mean_psnr(larger, truth),
    }
    gray = hidden.copy()
    gray[:, :, half] = 110
    rows = [("held out", truth), ("half hidden", gray), ("filled", filled), (f"noise {SIGMA}", noisy), ("denoised", denoised)]
    return measures, [*rows, ("reduced", enlarged(small, cv2.INTER_NEAREST)), ("x2", larger)]


def figure(samples: Pictures, rows: list[tuple[str, Pictures]]) -> Pictures:
    """Rows of pictures with their names: first what the prior draws."""
    strips = [("", samples[start : start + COLUMNS]) for start in range(0, len(samples), COLUMNS)]
    strips[0] = ("samples", strips[0][1])
    lines = []
    for name, pictures in [*strips, *rows]:
        colour = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, axis=3)
        shown = np.hstack([np.pad(picture, ((1, 1), (1, 1), (0, 0)), constant_values=255) for picture in colour[:COLUMNS]])
        shown = cv2.resize(shown, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
        label = np.full((shown.shape[0], MARGIN, 3), 255, np.uint8)
        cv2.putText(label, name, (6, shown.shape[0] // 2 + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
        lines.append(np.hstack([label, shown]))
    return np.vstack(lines)


def bits(folder: Path, held: Path, likelihood: str, count: int) -> tuple[float, float]:
    """Bits a dimension and their standard error, by `restore evaluate`."""
    words = ["evaluate", str(folder), str(held), "-n", str(count), "--likelihood", likelihood, "--dtype", "float32", "--json"]
    words += ["--every", "10"] if likelihood == "bound" else []
    done = subprocess.run([sys.executable, "-m", "restore", *words], stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    return told["bits_per_dim"], told["standard_error"]


def measure(folder: Path, held: Path, figures: Path, count: int) -> dict[str, Any]:
    import torch

    from restore import Restorer
    from restore.generate import sample, schedule_for
    from restore.sampling.samplers import ddim

    restorer = Restorer.from_pretrained(str(folder))
    truth = np.load(held)
    size = (truth.shape[1], truth.shape[2])
    drawn = sample(restorer.prior, 4 * COLUMNS, size, ddim(1.0), schedule_for(restorer.prior, 200), seed=0, batch=4 * COLUMNS)
    samples = ((drawn + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    measures, rows = tasks(restorer, truth[:MEASURED])
    figures.mkdir(parents=True, exist_ok=True)
    drawing = figure(samples if truth.ndim == 4 else samples[..., 0], rows)
    cv2.imwrite(str(figures / f"{folder.name}.png"), drawing[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    state = torch.load(folder / "training.pt", weights_only=True)
    found = {"steps": state["step"], "minutes": state["seconds"] / 60, "loss": state["loss"], **measures}
    return found | {likelihood: bits(folder, held, likelihood, count) for likelihood in ("bound", "flow")}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| family | steps | bits/dim, bound | bits/dim, flow | half filled | denoised | x2 |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = ("bound", "flow", "inpaint", "denoise", "super-resolution")
    for name, row in found.items():
        cells = [f"{row[kind][0]:.2f} ± {row[kind][1]:.2f}" for kind in kinds]
        lines.append(f"| {name} | {row['steps']} | {' | '.join(cells)} |")
    given = [f"{name} {row[name][0]:.2f}" for row in list(found.values())[:1] for name in ("noisy", "bicubic")]
    return "\n".join([*lines, "", *([f"As given, in dB: {', '.join(given)}."] if given else [])])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("out", type=Path, help="as families.py --out")
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--count", type=int, default=64, help="pictures for bits a dimension")
    given = parser.parse_args()
    found = {}
    for family in ORDER:
        folder = given.out / family
        kept = folder / "measures.json"
        if not (folder / "done").exists():
            continue
        if not kept.exists():
            kept.write_text(json.dumps(measure(folder, given.out / "held-out.npy", given.figures, given.count), indent=2))
        found[family] = json.loads(kept.read_text())
    print(table(found))
