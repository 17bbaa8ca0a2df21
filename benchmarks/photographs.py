"""Every method on photographs: PSNR, SSIM and time against evaluations of the prior, task by task.

    python benchmarks/photographs.py --data FOLDER [--pictures 12] [--size 256] [--nfe 5,10,20,50,100] [--methods pnp,ddnm]

One sample, the mean of several and point estimates are different answers, so each has a column: a sample is worth up to 3 dB
less than the posterior mean, by theory. Masks count filled pixels alone. Times are seconds a picture of one answer on this
machine: compare them within one run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from kornia.metrics import ssim
from torch import Tensor

from restore import Restorer, plugins
from restore.errors import OperatorError
from restore.guidance import Guidance
from restore.operators import Downsample, Identity, Mask
from restore.problem import Problem
from restore.solve import plan, solve

METHODS = ("pnp", "ddnm", "ddrm", "diffpir", "pigdm", "dps", "mmps", "repaint")


def crops(folder: Path, count: int, size: int) -> list[Tensor]:
    """(1, 3, size, size) in [-1, 1]: the middle of pictures spread evenly over a folder."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".bmp"})
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    found = []
    for path in chosen:
        picture = cv2.imread(str(path))
        assert picture is not None, path
        top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
        rgb = np.ascontiguousarray(picture[top : top + size, left : left + size, ::-1])
        found.append(torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1)
    return found


def problems(x: Tensor, seed: int) -> Iterator[tuple[str, Problem, Tensor | None]]:
    """(task, problem, pixels that count) for one picture; measurements are rounded to 8 bits, as files are."""
    shape, size = tuple(x.shape), x.shape[-1]
    random = torch.from_numpy(np.random.default_rng(seed).random((1, 1, size, size)))
    for share in (50, 80):
        keep = random >= share / 100
        yield f"missing {share} %", Problem(x * keep, Mask(keep), 0.0, shape), ~keep.expand_as(x)
    for scale in (2, 4):
        operator = Downsample((size, size), scale)
        y = ((operator(x) + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
        yield f"super-resolution x{scale}", Problem(y, operator, 0.0, shape), None
    sigma = 25 / 127.5
    noise = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()
    yield "denoise 25", Problem(x + sigma * noise, Identity(), sigma, shape), None


def answers(restorer: Restorer, method: Guidance, problem: Problem, steps: int, samples: int) -> tuple[Tensor, float]:
    """Samples (N, 3, H, W) in [-1, 1] (one for a point estimate), and the seconds of one."""
    planned = plan(problem, restorer.prior, method, steps=steps, largest=1024)
    drawn, started = [], time.perf_counter()
    for index in range(1 if method.answer == "estimate" else samples):
        *_, last = solve(
            problem, restorer.prior, method, method.kernel(), planned, seed=0, name=str(index), device=torch.device("cpu")
        )
        assert last.done is not None
        drawn.append(last.done.clamp(-1, 1))
    return torch.cat(drawn), (time.perf_counter() - started) / len(drawn)


def psnr(answer: Tensor, truth: Tensor, where: Tensor | None) -> float:
    error = (answer - truth).square()
    return float(10 * torch.log10(4 / (error.mean() if where is None else error[where].mean())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", default="photo")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--nfe", default="5,10,20,50,100")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--samples", type=int, default=4)
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.prior)
    pictures = crops(arguments.data, arguments.pictures, arguments.size)
    several = f"mean of {arguments.samples}, dB"
    print(f"| task | method | steps | one answer, dB | {several} | SSIM | seconds |\n|---|---|---|---|---|---|---|")
    for task in [name for name, _, _ in problems(pictures[0], 0)]:
        for name in arguments.methods.split(","):
            method = plugins.load().guidance(name)()
            for steps in map(int, arguments.nfe.split(",")):
                rows = []
                for seed, x in enumerate(pictures):
                    problem, where = next((p, w) for label, p, w in problems(x, seed) if label == task)
                    try:
                        found, seconds = answers(restorer, method, problem, steps, arguments.samples)
                    except OperatorError:
                        break
                    mean = found.mean(dim=0, keepdim=True)
                    alike = float(ssim((found[:1] + 1) / 2, (x + 1) / 2, 11).mean())
                    rows.append((psnr(found[:1], x, where), psnr(mean, x, where), alike, seconds))
                if not rows:
                    break
                one, mean, alike, seconds = np.mean(rows, axis=0)
                mean_of = f"{mean:.2f}" if method.answer == "sample" else "-"
                print(f"| {task} | {name} | {steps} | {one:.2f} | {mean_of} | {alike:.3f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
