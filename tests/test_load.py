"""Priors from elsewhere: what diffusers saved is asked as diffusers would ask it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from restore import pretrained
from restore.errors import PriorError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own dependencies warn while they are imported.
    import diffusers


@pytest.fixture(scope="module", params=["epsilon", "v_prediction", "sample"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random DDPM pipeline in diffusers layout."""
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
    )
    scheduler = diffusers.DDPMScheduler(prediction_type=request.param, clip_sample=False, beta_schedule="squaredcos_cap_v2")
    folder = tmp_path_factory.mktemp("saved")
    diffusers.DDPMPipeline(network, scheduler).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("time", [0, 1, 250, 700, 998])
def test_d_is_what_diffusers_calls_the_original_sample(saved: Path, time: int) -> None:
    prior = pretrained.prior(f"diffusers:{saved}")
    pipeline = diffusers.DDPMPipeline.from_pretrained(saved)
    alpha = pipeline.scheduler.alphas_cumprod[time]
    noisy = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(time))
    with torch.no_grad():
        answer = pipeline.unet(noisy, time).sample
        wanted = pipeline.scheduler.step(answer, time, noisy).pred_original_sample
        found = prior(noisy / alpha.sqrt(), ((1 - alpha) / alpha).sqrt())
    # Where alpha is tiny both divide a difference of like numbers by it.
    torch.testing.assert_close(found, wanted, atol=float(2e-5 / alpha.sqrt()), rtol=1e-4)


def test_a_folder_without_a_scheme_is_taken_for_diffusers(saved: Path) -> None:
    prior = pretrained.prior(str(saved))
    assert (prior.channels, prior.multiple_of) == (3, 2)
    assert prior.levels is not None
    assert len(prior.levels) == 1000


@pytest.mark.parametrize("name", ["diffusers:{place}/nothing", "some/where", "diffusers:{place}"])
def test_what_cannot_be_had_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(PriorError) as caught:
        pretrained.prior(name.format(place=tmp_path), local_files_only=True)
    assert "\n" not in str(caught.value)
    assert "give a folder in diffusers layout or a Hub id" in str(caught.value)
