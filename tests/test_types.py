"""What a type checker makes of calls: results typed by what went in, and wrong options of tasks found before a run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SNIPPET = """\
from pathlib import Path

import torch
from PIL import Image

from restore import Restorer, Task, denoise, inpaint

restorer = Restorer.from_pretrained("photo")
picture = Image.new("RGB", (8, 8))
tensor = torch.zeros(3, 8, 8)


def those_of_a_task(rows: Task, name: str) -> None:
    reveal_type(restorer("inpaint", tensor, mask=picture, mask_grow="auto", seed=1).image)  # torch._tensor.Tensor
    reveal_type(restorer("inpaint", "img.png", mask="mask.png").image)  # PIL.Image.Image
    reveal_type(restorer("super-resolution", Path("img.png"), scale=2.0).image)  # PIL.Image.Image
    reveal_type(restorer("run", picture, op="blur:1").image)  # PIL.Image.Image
    reveal_type(denoise(tensor, sigma=5))  # torch._tensor.Tensor
    for event in restorer.stream("deblur", tensor, kernel="gaussian:1"):
        reveal_type(event)  # restore.results.result.Event[torch._tensor.Tensor]
    for found in restorer.map("denoise", [picture]):
        reveal_type(found.image)  # PIL.Image.Image
    reveal_type(restorer(rows, tensor, every=3).image)  # torch._tensor.Tensor
    reveal_type(restorer("rows", tensor, every=3).image)  # torch._tensor.Tensor
    reveal_type(restorer(name, tensor, every=3).image)  # torch._tensor.Tensor


def wrong() -> None:
    restorer("inpaint", tensor, msk=picture).image  # error
    restorer("denoise", tensor, sigma="much").image  # error
    restorer("denoise", tensor, seed=1.5).image  # error
    restorer("jpeg", tensor, samples="eight").image  # error
    restorer("run", tensor).image  # error
    for event in restorer.stream("edit", tensor, strngth=1.0):
        event.preview  # error
    inpaint(tensor, picture, guidanc="dps")  # error
    Restorer.from_pretrained("photo", dtype="int8")  # error
"""


def test_mypy_knows_tasks_and_results(tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(SNIPPET)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-color-output", str(tmp_path / "snippet.py")],
        cwd=ROOT,  # For its settings, and for what it keeps of `make check`.
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    said: dict[int, str] = {}
    for line, kind, text in re.findall(r"snippet\.py:(\d+): (error|note): (.*)", done.stdout):
        revealed = re.fullmatch(r'Revealed type is "(.*)"', text)
        said.setdefault(int(line), revealed[1] if revealed else kind)
    wanted = {number: line.rpartition("  # ")[2] for number, line in enumerate(SNIPPET.splitlines(), start=1) if "  # " in line}
    assert said == wanted
