"""Checkpoints of score_sde_pytorch are told apart, and the way round is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from restore import pretrained
from restore.errors import PriorError


def checkpoint(first: dict[str, torch.Tensor], **changes: Any) -> dict[str, Any]:
    """What score_sde_pytorch saves, with a network that begins as given."""
    model = {f"module.{name}": value for name, value in first.items()} | {"module.sigmas": torch.ones(1000)}
    average = {"decay": 0.999, "num_updates": 3, "shadow_params": [torch.ones(1)]}
    return {"optimizer": {"state": {}}, "model": model, "ema": average, "step": 7, **changes}


FOURIER = {"all_modules.0.W": torch.ones(128), "all_modules.1.weight": torch.ones(512, 256)}
POSITIONS = {"all_modules.0.weight": torch.ones(512, 128), "all_modules.1.weight": torch.ones(512, 512)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (checkpoint(FOURIER), ["NCSN++ for the VE SDE, 0.1 million weights", "google/ncsnpp-celebahq-256", "diffusers:FOLDER"]),
        (checkpoint(POSITIONS), ["DDPM++, or NCSN++ conditioned on integer timesteps", "diffusers:FOLDER"]),
        (checkpoint({"weight": torch.ones(1)}), ["expected NCSN++ or DDPM++", "found 2 tensors, sigmas, weight"]),
        (checkpoint(FOURIER, model=3), ["expected NCSN++ or DDPM++", "found a int"]),
        (
            {"model": FOURIER},
            ["expected a checkpoint of score_sde_pytorch (optimizer, model, ema, step)", "found a dict of model"],
        ),
        (FOURIER, ["expected a checkpoint of score_sde_pytorch", "found 2 tensors, all_modules.0.W"]),
        ([3], ["found a list"]),
    ],
)
def test_a_checkpoint_is_refused_by_what_it_is(tmp_path: Path, content: Any, said: list[str]) -> None:
    torch.save(content, tmp_path / "checkpoint.pth")
    with pytest.raises(PriorError) as caught:
        pretrained.prior(f"score-sde:{tmp_path / 'checkpoint.pth'}")
    assert all(part in str(caught.value) for part in said)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pth").write_bytes(b"nothing")
    for name, said in (("checkpoint.pth", "broken, cut short"), ("absent.pth", "no such file")):
        with pytest.raises(PriorError, match=said):
            pretrained.prior(f"score-sde:{tmp_path / name}")
