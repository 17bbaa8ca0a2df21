"""Rarer pipelines and schedulers: a whole run here is one of diffusers' own, with the same weights and noise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers", reason="text encoders need the extra `text`")

import pipelines
import pipelines_more
from walks import ASKED, STEPS, TOLD, noise, same, stepped, walked

from restore import pretrained
from restore.errors import OperatorError, PriorError, UsageError
from restore.guidance.unconditional import nothing_measured
from restore.operators import Downsample, Identity
from restore.priors.families.ddpm import DDPM
from restore.priors.families.edm import EDM
from restore.priors.latent.conditions import Conditions
from restore.problem import Problem
from restore.solving import generate

# Solvers of diffusers make arrays of tensors in a way that numpy is to forget.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
PLAIN = {"prompt": "", "guidance_scale": 1.0}, Conditions()
SHOWN = {"height": 32, "width": 32, "output_type": "latent"}


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("solver", ["euler", "multistep"])
@pytest.mark.parametrize(("told", "asked"), [(TOLD, ASKED), PLAIN], ids=["guided", "plain"])
def test_a_run_with_the_preconditioning_of_edm_is_diffusers_own(
    made: Any, solver: str, prediction: str, told: dict[str, Any], asked: Conditions
) -> None:
    pipeline, folder = made(pipelines_more.preconditioned, solver=solver, prediction=prediction)
    latents = noise(1, 4, 16, 16)
    wanted = pipeline(**told, **{**SHOWN, "output_type": "pt"}, num_inference_steps=STEPS, latents=latents.clone()).images
    prior = pretrained.prior(str(folder)).given(asked, nothing_measured((1, 3, 32, 32)))
    assert isinstance(prior.prior.prior, EDM)
    assert (prior.sigma_max, prior.levels) == (60.0, None)
    found = stepped(prior, latents * (60.0**2 + 1) ** 0.5, pipeline.scheduler.sigmas)
    with torch.no_grad():
        same((prior.codec.decode(found, (32, 32)) / 2 + 0.5).clamp(0, 1), wanted)


def test_latents_are_scaled_by_channel_where_the_config_says_so(made: Any) -> None:
    pipeline, folder = made(pipelines_more.preconditioned, solver="euler", prediction="epsilon")
    codec, picture, config = pretrained.prior(str(folder)).codec, noise(2, 3, 32, 32), pipeline.vae.config
    with torch.no_grad():
        code = pipeline.vae.encode(picture).latent_dist.mode()
        mean, deviation = (torch.tensor(value)[:, None, None] for value in (config.latents_mean, config.latents_std))
        same(codec.encode(picture), (code - mean) * config.scaling_factor / deviation)
        same(codec.decode(codec.encode(picture), (32, 32)), pipeline.vae.decode(code).sample)


def test_a_run_of_the_refiner_is_diffusers_own(made: Any) -> None:
    """It starts at a picture's code with the noise of its first level."""
    pipeline, folder = made(pipelines_more.refiner)
    code, drawn = noise(1, 4, 16, 16), torch.Generator().manual_seed(3)
    shown = {"original_size": (32, 32), "target_size": (32, 32), "output_type": "latent"}
    wanted = pipeline(**TOLD, **shown, image=code, strength=0.5, num_inference_steps=8, generator=drawn).images
    times = pipeline.scheduler.timesteps[-4:]
    prior = pretrained.prior(str(folder)).given(ASKED, nothing_measured((1, 3, 32, 32)))
    schedule = torch.cat([prior.levels.flip(0)[times], torch.zeros(1).double()]).float()
    same(stepped(prior, code + schedule[0] * noise(1, 4, 16, 16, seed=3), schedule), wanted)


@pytest.mark.parametrize(("told", "asked"), [(TOLD, ASKED), PLAIN], ids=["guided", "plain"])
@pytest.mark.parametrize("scheduler", ["chain", "flow"])
def test_a_run_of_sana_is_diffusers_own(
    made: Any, monkeypatch: pytest.MonkeyPatch, scheduler: str, told: dict[str, Any], asked: Conditions
) -> None:
    """Solvers of chains round the network's times down to whole ones; here those of the pipeline are made exact."""
    pipeline, folder = made(pipelines_more.sana, scheduler=scheduler)
    chosen, latents, grid = pipeline.scheduler, noise(1, 4, 16, 16), {"sigmas": [0.95, 0.6, 0.3, 0.1]}
    if scheduler == "chain":
        rounded, grid = type(chosen).set_timesteps, {"num_inference_steps": STEPS}

        def exact(self: Any, *given: Any, **named: Any) -> None:
            rounded(self, *given, **named)
            self.timesteps = 1000 * self.sigmas[:-1]

        monkeypatch.setattr(type(chosen), "set_timesteps", exact)
    plain = {"use_resolution_binning": False, "clean_caption": False}
    wanted = pipeline(**told, **SHOWN, **grid, **plain, latents=latents.clone()).images
    times = chosen.sigmas.double()
    prior = pretrained.prior(str(folder)).given(asked)
    schedule = (times / (1 - times)).float()
    same(stepped(prior, latents * (1 + schedule[0]), schedule), wanted)
    # Trained levels have the shift of the config.
    even = torch.arange(999, 0, -1).double() / 1000
    torch.testing.assert_close(prior.levels, 3 * even / (1 - even))


def test_a_deep_compression_codec_is_diffusers_own(made: Any) -> None:
    pipeline, folder = made(pipelines_more.sana, scheduler="chain")
    codec, picture = pretrained.prior(str(folder)).codec, noise(2, 3, 32, 32)
    with torch.no_grad():
        code = pipeline.vae.encode(picture).latent
        same(codec.encode(picture), code * 0.41407)
        same(codec.decode(codec.encode(picture), (32, 32)), pipeline.vae.decode(code).sample)
    assert (codec.network.tile_latent_min_height, codec.network.tile_sample_stride_width) == (128, 224)


@pytest.mark.parametrize(("told", "asked"), [(TOLD, ASKED), PLAIN], ids=["guided", "plain"])
def test_a_run_of_deepfloyds_first_stage_is_diffusers_own(made: Any, told: dict[str, Any], asked: Conditions) -> None:
    pipeline, folder = made(pipelines_more.floyd, learned=False)
    drawn = torch.Generator().manual_seed(5)
    wanted = pipeline(
        **told, height=16, width=16, num_inference_steps=STEPS, generator=drawn, output_type="pt", clean_caption=False
    ).images
    prior = pretrained.prior(str(folder)).given(asked)
    assert prior.codec.factor == 1
    same(walked(prior, noise(1, 3, 16, 16), pipeline.scheduler.timesteps), wanted)


@pytest.mark.parametrize("clip", [True, False])
def test_an_ancestral_step_with_a_learned_variance_is_diffusers_own(made: Any, clip: bool) -> None:
    """The variance under classifier-free guidance is that of the prompt alone, as in the pipeline."""
    pipeline, folder = made(pipelines_more.floyd, clip=clip)
    bound = pretrained.prior(str(folder)).given(ASKED).prior
    assert isinstance(bound, DDPM)
    assert (bound.variance, bound.clip) == ("learned", 1.0 if clip else None)
    x_t, time, embeds = noise(2, 3, 16, 16), 400, pipeline.encode_prompt("a cat", True, negative_prompt="dog")
    pipeline.scheduler.set_timesteps(1000)
    with torch.no_grad():
        both = torch.cat([embeds[1].expand(2, -1, -1), embeds[0].expand(2, -1, -1)])
        without, given = pipeline.unet(torch.cat([x_t, x_t]), time, encoder_hidden_states=both).sample.chunk(2)
        answer = torch.cat([without[:, :3] + 5.0 * (given[:, :3] - without[:, :3]), given[:, 3:]], dim=1)
        wanted = pipeline.scheduler.step(answer, time, x_t, generator=torch.Generator().manual_seed(3)).prev_sample
        step = bound.reverse_step(x_t, torch.tensor([time, time]))
    same(step.mean + (step.log_variance / 2).exp() * noise(2, 3, 16, 16, seed=3), wanted)


def test_a_run_of_deepfloyds_second_stage_is_diffusers_own(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers adds noise to the enlarged picture; here nothing is added to a measurement, which has its own."""
    pipeline, folder = made(pipelines_more.floyd_enlarging)
    small, level = noise(1, 3, 8, 8).clamp(-1, 1), 100
    abar = pipeline.image_noising_scheduler.alphas_cumprod[level]

    def scaled(picture: Tensor, drawn: Tensor, timesteps: Tensor) -> Tensor:
        return picture * abar.sqrt()

    monkeypatch.setattr(pipeline.image_noising_scheduler, "add_noise", scaled)
    drawn = torch.Generator().manual_seed(5)
    shown = {"output_type": "pt", "clean_caption": False, "num_inference_steps": STEPS, "noise_level": level}
    wanted = pipeline(**TOLD, **shown, image=small, height=32, width=32, generator=drawn).images
    sigma = float(((1 - abar) / abar).sqrt())
    problem = Problem(small, Downsample.between((32, 32), (8, 8)), sigma, (1, 3, 32, 32))
    prior = pretrained.prior(str(folder)).given(ASKED, problem)
    same(walked(prior, noise(1, 3, 32, 32), pipeline.scheduler.timesteps), wanted)
    assert (prior.guidance, prior.whole) == ("conditioned", True)


def test_deepfloyds_second_stage_enlarges_and_does_nothing_else(made: Any) -> None:
    _, folder = made(pipelines_more.floyd_enlarging)
    prior = pretrained.prior(str(folder))
    with pytest.raises(OperatorError, match="this prior enlarges pictures, and takes no Identity operator"):
        prior.given(Conditions(), Problem(noise(1, 3, 32, 32), Identity(), 0.1, (1, 3, 32, 32)))
    with pytest.raises(UsageError, match="draws none of its own"):
        prior.given(Conditions())


def test_a_run_of_turbo_is_diffusers_own(made: Any) -> None:
    """Its levels are those of its scheduler's spacing, and it is not guided unless that is asked for."""
    pipeline, folder = made(pipelines_more.turbo)
    latents, drawn = noise(1, 4, 16, 16), torch.Generator().manual_seed(3)
    shown = {**SHOWN, "num_inference_steps": STEPS, "latents": latents.clone(), "generator": drawn}
    wanted = pipeline("a cat", guidance_scale=0.0, **shown).images
    prior = pretrained.prior(str(folder)).given(Conditions(prompt="a cat"))
    schedule = generate.schedule_for(prior, STEPS)
    torch.testing.assert_close(schedule, pipeline.scheduler.sigmas)
    again = torch.Generator().manual_seed(3)
    same(stepped(prior, latents * schedule[0], schedule, eta=1.0, drawn=again), wanted)
    guided = pretrained.prior(str(folder)).given(Conditions(prompt="a cat", guidance_scale=2.0))
    assert not torch.equal(guided(latents, 1.0), prior(latents, 1.0))


def test_a_run_of_a_chain_to_pure_noise_is_diffusers_own(made: Any) -> None:
    pipeline, folder = made(pipelines_more.to_noise)
    latents = noise(1, 4, 16, 16)
    wanted = pipeline(**TOLD, **SHOWN, num_inference_steps=STEPS, latents=latents.clone()).images
    prior = pretrained.prior(str(folder)).given(ASKED)
    schedule = generate.schedule_for(prior, STEPS)
    torch.testing.assert_close(schedule, pipeline.scheduler.sigmas, rtol=1e-4, atol=0)
    # diffusers adds differences of states of 4096, whose last digit is 2.4e-4.
    torch.testing.assert_close(stepped(prior, latents * schedule[0], schedule), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("steps", [1, 3, 7, 50, 1000])
def test_few_levels_are_spaced_as_in_diffusers(spacing: str, steps: int) -> None:
    from restore.sampling import schedules

    scheduler = pipelines.diffusers.DDIMScheduler(timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    found = schedules.ddpm(torch.arange(1000, 0, -1).double(), steps, spacing)[:-1] - 1
    wanted = scheduler.timesteps if (spacing, steps) != ("linspace", 1) else torch.tensor([999])  # Not the lowest.
    assert float((found - wanted).abs().max()) <= (spacing == "linspace")  # Halves are rounded to the other side.


@pytest.mark.parametrize("steps", [1, 3, 4, 8, 50])
def test_levels_of_a_latent_consistency_model_are_diffusers_own(made: Any, steps: int) -> None:
    pipeline, folder = made(pipelines.lcm)
    prior = pretrained.prior(str(folder))
    pipeline.scheduler.set_timesteps(steps)
    wanted = prior.prior.prior.table[pipeline.scheduler.timesteps].float()
    assert torch.equal(generate.schedule_for(prior, steps)[:-1], wanted)


@pytest.mark.parametrize(
    ("build", "file", "changes", "said"),
    [
        (
            "sana",
            "transformer/config.json",
            {"out_channels": 8},
            "its transformer cannot be loaded|do not fit|alone: it returns",
        ),
        (
            "sana",
            "scheduler/scheduler_config.json",
            {"_class_name": "SCMScheduler"},
            "its scheduler is a 'SCMScheduler'; known: Fl",
        ),
        ("sana", "model_index.json", {"_class_name": "SanaSprintPipeline"}, "is none of the pipelines that load"),
        ("floyd", "model_index.json", {"text_encoder": [None, None]}, "its text_encoder is a None of None; known: CLIP"),
        ("floyd", "unet/config.json", {"in_channels": 4}, "its unet cannot be loaded|weights of its unet do not fit"),
        ("preconditioned", "scheduler/scheduler_config.json", {"sigma_data": 0}, "sigma_data must be a number from 0.001 to"),
        (
            "preconditioned",
            "scheduler/scheduler_config.json",
            {"prediction_type": "x"},
            "prediction_type must be one of epsilon",
        ),
        ("preconditioned", "vae/config.json", {"latents_std": [1.0, 2.0]}, "latents_std must be a list of 4 to 4 values"),
        ("refiner", "model_index.json", {"text_encoder_2": [None, None]}, "model_index.json names no text_encoder_2"),
    ],
)
def test_a_part_that_does_not_fit_is_one_line(
    made: Any, tmp_path: Path, build: str, file: str, changes: dict[str, Any], said: str
) -> None:
    _, folder = made(getattr(pipelines_more, build))
    shutil.copytree(folder, tmp_path / "m")
    config = json.loads((folder / file).read_text())
    (tmp_path / "m" / file).write_text(json.dumps({**config, **changes}))
    with pytest.raises(PriorError, match=said) as caught:
        pretrained.prior(str(tmp_path / "m"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("picture", ["img.png", "gray.png"])
def test_a_picture_is_enlarged_by_deepfloyds_second_stage(made: Any, tmp_path: Path, monkeypatch: Any, picture: str) -> None:
    import cv2

    from restore.cli import main

    monkeypatch.chdir(tmp_path)
    colours = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    assert cv2.imwrite("img.png", colours)
    assert cv2.imwrite("gray.png", colours[..., 0])
    _, folder = made(pipelines_more.floyd_enlarging)
    line = ["super-resolution", picture, "--scale", "4", "--sigma", "0", "--device", "cpu", "--steps", "2", "-o", "out.png"]
    assert main([*line, "--prior", str(folder), "--prompt", "a cat"]) == 0
    assert cv2.imread("out.png", cv2.IMREAD_UNCHANGED).shape[:2] == (36, 44)


@pytest.mark.parametrize(
    ("build", "missing", "words", "code", "said"),
    [
        ("stable_diffusion", "vae", (), 3, "no config of its vae; looked for vae/config.json"),
        ("stable_diffusion", "tokenizer", (), 3, "no tokenizer; looked for tokenizer/tokenizer_config.json"),
        ("dit", None, ("--label", "5000"), 2, "--label 5000: this prior has classes 0 to 999"),
        (
            "dit",
            None,
            ("--prompt", "a cat"),
            2,
            "--prompt: this prior has no use for it; it takes --label and --guidance-scale",
        ),
        (
            "stable_diffusion",
            None,
            ("--guidance", "latent-ddnm"),
            2,
            "LatentDDNM takes measurements without noise; name latent-",
        ),
        (
            "stable_diffusion",
            None,
            ("--max-memory", "1MB"),
            4,
            "too little for a picture of 18x14 pixels and the smallest window",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    made: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    build: str,
    missing: str | None,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    import cv2

    from restore.cli import main

    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite("img.png", np.random.default_rng(0).integers(0, 256, (14, 18, 3), np.uint8))
    _, folder = made(getattr(pipelines, build))
    if missing is not None:
        shutil.copytree(folder, tmp_path / "m")
        shutil.rmtree(tmp_path / "m" / missing)
        folder = tmp_path / "m"
    line = ["denoise", "img.png", "--sigma", "20", "--steps", "2", "--device", "cpu", "-o", "out.png", "-q"]
    capfd.readouterr()  # What transformers says while it is imported.
    assert main([*line, "--prior", str(folder), *words]) == code
    out, err = capfd.readouterr()
    (told,) = err.splitlines()
    assert said in told
    assert out == ""
    assert not Path("out.png").exists()
