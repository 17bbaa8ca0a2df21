"""Pipelines of diffusers: a whole run here is one of diffusers' own, with the same weights and noise.

Weights are random and networks tiny: the tests prove how parts are wired, not what published weights do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers", reason="text encoders need the extra `text`")

import pipelines
from walks import ASKED, STEPS, TOLD, noise, same, walked

from restore import pretrained
from restore.engine import reverse
from restore.errors import OperatorError, PriorError, UsageError
from restore.guidance import PSLD, BlendedLatents
from restore.guidance.unconditional import Unconditional, nothing_measured
from restore.operators import Downsample, Identity, Mask
from restore.priors.latent.conditions import Conditions
from restore.problem import Problem
from restore.sampling.samplers import ddim, diffpir

Build = Callable[..., Any]


@pytest.mark.parametrize("asked", [True, False], ids=["guided", "plain"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_run_of_stable_diffusion_is_diffusers_own(made: Any, prediction: str, asked: bool) -> None:
    pipeline, folder = made(pipelines.stable_diffusion, prediction=prediction)
    latents = noise(1, 4, 16, 16)
    told = TOLD if asked else {"prompt": "", "guidance_scale": 1.0}
    kept = []
    wanted = pipeline(
        **told,
        height=32,
        width=32,
        num_inference_steps=STEPS,
        latents=latents.clone(),
        output_type="pt",
        callback_on_step_end=lambda _pipe, _step, _time, tensors: kept.append(tensors["latents"]) or tensors,
    ).images
    prior = pretrained.prior(str(folder)).given(ASKED if asked else Conditions())
    found = walked(prior, latents, pipeline.scheduler.timesteps)
    same(found, kept[-1])
    with torch.no_grad():
        same((prior.codec.decode(found, (32, 32)) / 2 + 0.5).clamp(0, 1), wanted)
        # One step from another level, of two pictures at once.
        pair, time = noise(2, 4, 16, 16, seed=6), 501
        x = pair * float((1 + prior.levels[-1 - time] ** 2).sqrt())
        embeds = pipeline.encode_prompt(told["prompt"], "cpu", 1, asked, told.get("negative_prompt"))
        both = torch.cat([embeds[1].expand(2, -1, -1), embeds[0].expand(2, -1, -1)]) if asked else embeds[0].expand(2, -1, -1)
        answer = pipeline.unet(torch.cat([pair, pair]) if asked else pair, time, encoder_hidden_states=both).sample
        if asked:
            without, given = answer.chunk(2)
            answer = without + 5.0 * (given - without)
        told_x0 = pipeline.scheduler.step(answer, time, pair).pred_original_sample
        same(prior(x, float(prior.levels[-1 - time])), told_x0)


@pytest.mark.parametrize("build", ["stable_diffusion", "xl"])
def test_a_run_of_inpainting_is_diffusers_own(made: Any, build: str) -> None:
    pipeline, folder = made(getattr(pipelines, build), channels=9)
    picture, latents = noise(1, 3, 32, 32).clamp(-1, 1), noise(1, 4, 16, 16)
    keep = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    keep[..., 9:20, 6:25] = False
    wanted = pipeline(
        **TOLD,
        image=(picture + 1) / 2,
        mask_image=(~keep).float(),
        height=32,
        width=32,
        num_inference_steps=STEPS,
        latents=latents.clone(),
        strength=1.0,
        output_type="latent",
        masked_image_latents=pipeline.vae.encode(picture * keep).latent_dist.mode() * pipeline.vae.config.scaling_factor,
    ).images
    problem = Problem(picture * keep, Mask(keep), 0.0, (1, 3, 32, 32))
    prior = pretrained.prior(str(folder)).given(ASKED, problem)
    same(walked(prior, latents, pipeline.scheduler.timesteps), wanted.detach())


def test_a_run_of_xl_is_diffusers_own(made: Any) -> None:
    pipeline, folder = made(pipelines.xl)
    latents = noise(1, 4, 16, 16)
    shown = {"height": 32, "width": 32, "num_inference_steps": STEPS, "latents": latents.clone(), "output_type": "latent"}
    wanted = pipeline(**TOLD, **shown).images
    posed = nothing_measured((1, 3, 32, 32))
    prior = pretrained.prior(str(folder)).given(ASKED, posed)
    same(walked(prior, latents, pipeline.scheduler.timesteps), wanted)
    # Without a negative prompt its encoding is 0.
    wanted = pipeline(prompt="a cat", **{**shown, "latents": latents.clone()}).images
    prior = pretrained.prior(str(folder)).given(Conditions(prompt="a cat"), posed)
    same(walked(prior, latents, pipeline.scheduler.timesteps), wanted)


def test_a_run_of_sd3_is_diffusers_own(made: Any) -> None:
    """The first time is below 1, where sigma is infinite; the others are those of the scheduler."""
    pipeline, folder = made(pipelines.sd3)
    latents = noise(1, 4, 16, 16)
    wanted = pipeline(
        **TOLD, height=32, width=32, sigmas=[0.95, 0.6, 0.3, 0.1], latents=latents.clone(), output_type="latent"
    ).images
    times = pipeline.scheduler.sigmas.double()
    prior = pretrained.prior(str(folder)).given(ASKED)
    schedule = (times / (1 - times)).float()
    problem = nothing_measured((1, 4, 16, 16))

    def first(like: Tensor) -> Tensor:
        return latents * (1 + schedule[0]) / schedule[0]

    with torch.no_grad():
        *_, found = reverse(problem, prior, Unconditional(), ddim(eta=0.0), schedule, first)
    same(found, wanted)
    # Its own levels are the scheduler's without the first.
    plain = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
    trained = plain.sigmas.double().sort(descending=True).values[1:]
    torch.testing.assert_close(prior.levels, trained / (1 - trained), rtol=1e-3, atol=1e-5)
    code = pipeline.vae.encode(noise(1, 3, 32, 32)).latent_dist.mode()
    same(prior.codec.encode(noise(1, 3, 32, 32)), ((code - 0.06) * 1.5).detach())


@pytest.mark.parametrize("dev", [True, False], ids=["dev", "schnell"])
def test_a_run_of_flux_is_diffusers_own(made: Any, dev: bool) -> None:
    pipeline, folder = made(pipelines.flux, dev=dev)
    latents = noise(1, 4, 16, 16)
    packed = pipeline._pack_latents(latents, 1, 4, 16, 16)
    scale = {"guidance_scale": 2.5} if dev else {}
    wanted = pipeline(
        "a cat",
        **scale,
        height=32,
        width=32,
        sigmas=[0.9, 0.6, 0.3],
        latents=packed,
        output_type="latent",
        max_sequence_length=512 if dev else 256,
    ).images
    times = pipeline.scheduler.sigmas.double()
    schedule = (times / (1 - times)).float()
    prior = pretrained.prior(str(folder)).given(Conditions(prompt="a cat", **scale))
    problem = nothing_measured((1, 4, 16, 16))
    with torch.no_grad():
        *_, found = reverse(
            problem, prior, Unconditional(), ddim(eta=0.0), schedule, lambda like: latents * (1 + schedule[0]) / schedule[0]
        )
    same(pipeline._pack_latents(found, 1, 4, 16, 16), wanted)
    # The grid of the largest pictures, exp(1.15), or none.
    shift = float(torch.tensor(1.15).exp()) if dev else 1.0
    assert float(prior.levels[499]) == pytest.approx(shift, rel=1e-6)


@pytest.mark.parametrize(("kind", "sized"), [("Alpha", False), ("Alpha", True), ("Sigma", False)])
def test_a_run_of_pixart_is_diffusers_own(made: Any, kind: str, sized: bool) -> None:
    pipeline, folder = made(pipelines.pixart, sized=sized, kind=kind)
    latents = noise(1, 4, 16, 16)
    wanted = pipeline(
        **TOLD,
        height=32,
        width=32,
        num_inference_steps=STEPS,
        latents=latents.clone(),
        output_type="latent",
        use_resolution_binning=False,
        clean_caption=False,
    ).images
    prior = pretrained.prior(str(folder)).given(ASKED, nothing_measured((1, 3, 32, 32)))
    same(walked(prior, latents, pipeline.scheduler.timesteps), wanted)


def test_a_run_of_an_upscaler_is_diffusers_own(made: Any) -> None:
    pipeline, folder = made(pipelines.upscaler)
    small, latents, level = noise(1, 3, 16, 16).clamp(-1, 1), noise(1, 4, 16, 16), 20
    wanted = pipeline(
        **TOLD,
        image=(small + 1) / 2,
        noise_level=level,
        num_inference_steps=STEPS,
        latents=latents.clone(),
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).images
    abar = pipeline.low_res_scheduler.alphas_cumprod[level]
    sigma = float(((1 - abar) / abar).sqrt())
    y = small + sigma * noise(1, 3, 16, 16, seed=3)  # What diffusers draws from the same generator.
    problem = Problem(y, Downsample.between((32, 32), (16, 16)), sigma, (1, 3, 32, 32))
    prior = pretrained.prior(str(folder)).given(ASKED, problem)
    same(walked(prior, latents, pipeline.scheduler.timesteps), wanted)
    assert prior.guidance == "conditioned"


def test_a_run_of_ldm_is_diffusers_own(made: Any) -> None:
    pipeline, folder = made(pipelines.ldm)
    drawn = noise(1, 3, 16, 16, seed=3)
    wanted = pipeline(generator=torch.Generator().manual_seed(3), num_inference_steps=STEPS, output_type="np").images
    prior = pretrained.prior(str(folder))
    found = walked(prior, drawn, pipeline.scheduler.timesteps)
    with torch.no_grad():
        picture = (prior.codec.decode(found, (32, 32)) / 2 + 0.5).clamp(0, 1)
    same(picture.permute(0, 2, 3, 1), wanted)


def test_a_quantised_codec_lets_gradients_through(made: Any) -> None:
    _, folder = made(pipelines.ldm)
    codec, z = pretrained.prior(str(folder)).codec, noise(1, 3, 8, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(codec.decode(z, (16, 16)).square().sum(), z)
    assert float(gradient.abs().max()) > 0


def test_a_run_of_ldm_super_resolution_is_diffusers_own(made: Any) -> None:
    pipeline, folder = made(pipelines.ldm_super_resolution)
    small = noise(1, 3, 16, 16).clamp(-1, 1)
    with torch.no_grad():
        wanted = pipeline(
            small, num_inference_steps=STEPS, eta=0.0, generator=torch.Generator().manual_seed(3), output_type="np"
        ).images
    problem = Problem(small, Downsample.between((32, 32), (16, 16)), 0.0, (1, 3, 32, 32))
    prior = pretrained.prior(str(folder)).given(Conditions(), problem)
    found = walked(prior, noise(1, 3, 16, 16, seed=3), pipeline.scheduler.timesteps)
    with torch.no_grad():
        same((prior.codec.decode(found, (32, 32)) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1), wanted)
    with pytest.raises(OperatorError, match="enlarges pictures 2 times and does nothing else; give scale=2"):
        pretrained.prior(str(folder)).given(
            Conditions(), replace(problem, operator=Downsample.between((48, 48), (16, 16)), shape=(1, 3, 48, 48))
        )


@pytest.mark.parametrize("label", ["207", "Golden Retriever"])
def test_a_run_of_dit_is_diffusers_own(made: Any, label: str) -> None:
    pipeline, folder = made(pipelines.dit)
    wanted = pipeline(
        class_labels=[207],
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(3),
        num_inference_steps=STEPS,
        output_type="np",
    ).images
    prior = pretrained.prior(str(folder)).given(Conditions(label=label, guidance_scale=3.0))
    found = walked(prior, noise(1, 4, 16, 16, seed=3), pipeline.scheduler.timesteps)
    with torch.no_grad():
        picture = (prior.codec.decode(found, (32, 32)) / 2 + 0.5).clamp(0, 1)
    same(picture.permute(0, 2, 3, 1), wanted)


def test_a_network_with_classes_is_asked_with_its_class(made: Any) -> None:
    pipeline, folder = made(pipelines.with_classes)
    prior, x, time = pretrained.prior(str(folder)), noise(2, 3, 16, 16), 500
    pipeline.scheduler.set_timesteps(STEPS)
    with torch.no_grad():
        answer = pipeline.unet(x, time, class_labels=torch.tensor([3, 3])).sample
        wanted = pipeline.scheduler.step(answer, time, x).pred_original_sample
        sigma = float(prior.levels[-1 - time])
        same(prior.given(Conditions(label="3"))(x * (1 + sigma**2) ** 0.5, sigma), wanted)


@pytest.mark.parametrize(
    ("build", "label", "said"),
    [
        ("with_classes", None, "is of 10 classes and must be told one: label, 0 to 9"),
        ("with_classes", "10", "label='10': this prior has classes 0 to 9"),
        ("with_classes", "cat", "label='cat': no such class; classes are numbers, 0 to 9"),
        ("dit", "1000", "label='1000': this prior has classes 0 to 999"),
        ("dit", "nonsense", "label='nonsense': no such class; classes are numbers, 0 to 999, or names"),
        ("dit", "", "label='': no such class; classes are numbers, 0 to 999, or names"),
        ("dit", "-1", "label='-1': no such class; classes are numbers, 0 to 999, or names"),
        ("dit", "cok", "label='cok': no such class; did you mean 'cock'?"),
    ],
)
def test_a_wrong_label_is_one_line(made: Any, build: str, label: str | None, said: str) -> None:
    _, folder = made(getattr(pipelines, build))
    with pytest.raises(UsageError) as caught:
        pretrained.prior(str(folder)).given(Conditions(label=label))
    assert said in str(caught.value)


def test_a_run_of_a_latent_consistency_model_is_diffusers_own(made: Any) -> None:
    """Each step draws all noise anew."""
    pipeline, folder = made(pipelines.lcm)
    latents = noise(1, 4, 16, 16)
    wanted = pipeline(
        "a cat",
        guidance_scale=5.0,
        height=32,
        width=32,
        num_inference_steps=3,
        latents=latents.clone(),
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).images
    prior = pretrained.prior(str(folder)).given(Conditions(prompt="a cat", guidance_scale=5.0))
    times = pipeline.scheduler.timesteps
    table = prior.prior.prior.table
    assert set(table[times].tolist()) <= set(prior.levels.tolist())
    schedule = torch.cat([table[times], torch.zeros(1).double()]).float()
    first, drawn = (1 + schedule[0] ** 2).sqrt() / schedule[0], torch.Generator().manual_seed(3)
    states = iter([latents * first, *(torch.randn(1, 4, 16, 16, generator=drawn) for _ in range(2))])
    problem = nothing_measured((1, 4, 16, 16))
    with torch.no_grad():
        *_, found = reverse(problem, prior, Unconditional(), diffpir(zeta=1.0), schedule, lambda like: next(states))
    same(found, wanted)


@pytest.mark.parametrize("classes", [None, 10])
def test_a_step_of_a_consistency_model_is_diffusers_own(made: Any, classes: int | None) -> None:
    pipeline, folder = made(pipelines.consistency, classes=classes)
    told = {} if classes is None else {"class_labels": 4}
    wanted = pipeline(**told, generator=torch.Generator().manual_seed(3), num_inference_steps=1, output_type="np").images
    prior = pretrained.prior(str(folder)).given(Conditions(label=None if classes is None else "4"))
    with torch.no_grad():
        found = prior(80.0 * noise(1, 3, 16, 16, seed=3), 80.0)
    same((found / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1), wanted)


def test_what_is_encoded_is_what_diffusers_encodes(made: Any) -> None:
    pipeline, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    codec, picture = pretrained.prior(str(folder)).codec, noise(2, 3, 32, 32)
    with torch.no_grad():
        code = pipeline.vae.encode(picture).latent_dist.mode()
        same(codec.encode(picture), code * pipeline.vae.config.scaling_factor)
        same(codec.decode(codec.encode(picture), (32, 32)), pipeline.vae.decode(code).sample)
        # Of a size that cells do not fill, the part that is there is the same.
        assert codec.decode(codec.encode(picture[..., :31, :29]), (31, 29)).shape == (2, 3, 31, 29)


def test_gray_pictures_are_colour_pictures_of_equal_channels(made: Any) -> None:
    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    prior, picture = pretrained.prior(str(folder)), noise(1, 1, 32, 32)
    gray = prior.in_gray()
    with torch.no_grad():
        code = gray.codec.encode(picture)
        same(code, prior.codec.encode(picture.expand(-1, 3, -1, -1)))
        same(gray.codec.decode(code, (32, 32)), prior.codec.decode(code, (32, 32)).mean(1, keepdim=True))


@pytest.mark.parametrize(
    ("asked", "channels", "said"),
    [
        (Conditions(label="3"), 4, "label: this prior has no use for it; it takes prompt and negative_prompt and"),
        (Conditions(), 9, "fills masks in pictures, and draws none of its own"),
    ],
)
def test_what_a_prior_does_not_take_is_one_line(made: Any, asked: Conditions, channels: int, said: str) -> None:
    _, folder = made(pipelines.stable_diffusion, channels=channels) if channels == 9 else made(pipelines.stable_diffusion)
    with pytest.raises(UsageError, match=said):
        pretrained.prior(str(folder)).given(asked)


def test_an_inpainting_prior_takes_masks_alone(made: Any) -> None:
    _, folder = made(pipelines.stable_diffusion, channels=9)
    problem = Problem(noise(1, 3, 32, 32), Identity(), 0.1, (1, 3, 32, 32))
    with pytest.raises(OperatorError, match="fills masks, and takes no Identity operator"):
        pretrained.prior(str(folder)).given(Conditions(), problem)


def test_a_prompt_for_a_prior_without_text_is_refused() -> None:
    with pytest.raises(UsageError, match="prompt: this prior has no use for it; leave it out"):
        pretrained.prior("photo").given(Conditions(prompt="a cat"))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("vae", "model_index.json names no vae"),
        ("text_encoder", "model_index.json names no text_encoder"),
        ("tokenizer", "model_index.json names no tokenizer"),
    ],
)
def test_a_missing_part_is_one_line(made: Any, tmp_path: Path, part: str, said: str) -> None:
    import shutil

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    shutil.copytree(folder, tmp_path / "m")
    index = json.loads((folder / "model_index.json").read_text())
    del index[part]
    (tmp_path / "m" / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(PriorError, match=said) as caught:
        pretrained.prior(str(tmp_path / "m"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "no weights of its unet; looked for unet/diffusion_pytorch_model.safe"),
        ("text_encoder/model.safetensors", "no weights of its text_encoder"),
        ("vae/config.json", "no config of its vae"),
        ("scheduler/scheduler_config.json", "no scheduler config"),
    ],
)
def test_a_missing_file_is_one_line(made: Any, tmp_path: Path, file: str, said: str) -> None:
    import shutil

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / file).unlink()
    with pytest.raises(PriorError, match=said) as caught:
        pretrained.prior(str(tmp_path / "m"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("unet/config.json", {"cross_attention_dim": 48}, "its unet cannot be loaded|weights of its unet do not fit"),
        ("unet/config.json", {"in_channels": 5}, "its unet cannot be loaded|weights of its unet do not fit"),
        ("model_index.json", {"unet": ["mine", "UNet2DConditionModel"]}, "its unet is a 'UNet2DConditionModel' of 'mine'"),
        ("model_index.json", {"text_encoder": ["transformers", "AutoModel"]}, "its text_encoder is a 'AutoModel' of 'transf"),
        ("model_index.json", {"_class_name": "KandinskyPipeline"}, "is none of the pipelines that load"),
    ],
)
def test_a_part_of_another_kind_is_one_line(made: Any, tmp_path: Path, file: str, changes: dict[str, Any], said: str) -> None:
    import shutil

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    shutil.copytree(folder, tmp_path / "m")
    config = json.loads((folder / file).read_text())
    (tmp_path / "m" / file).write_text(json.dumps({**config, **changes}))
    with pytest.raises(PriorError, match=said) as caught:
        pretrained.prior(str(tmp_path / "m"))
    assert "\n" not in str(caught.value)


def test_text_without_transformers_is_one_line(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from restore.priors.loaders.pipelines import parts

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    monkeypatch.setattr(parts, "find_spec", lambda name: None)
    with pytest.raises(PriorError, match=r"the package transformers is missing: pip install 'diffusion-restore\[text\]'"):
        pretrained.prior(str(folder))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a picture of 27x21 pixels, in colour and in gray, and a mask."""
    import cv2

    monkeypatch.chdir(tmp_path)
    colours = np.random.default_rng(0).integers(0, 256, (21, 27, 3), np.uint8)
    for name, pixels in (("img", colours), ("gray", colours[..., 0]), ("tiny", colours[:1])):
        assert cv2.imwrite(f"{name}.png", pixels)
    mask = np.zeros((21, 27), np.uint8)
    mask[5:12, 8:20] = 255
    assert cv2.imwrite("mask.png", mask)
    return tmp_path


INPAINT = ("--mask", "mask.png", "--mask-grow", "0", "--sigma", "0", "--device", "cpu", "--steps", "2", "-o", "out.png")


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("picture", ["img.png", "gray.png"])
@pytest.mark.parametrize("words", [(), ("--prompt", "a cat", "--guidance", "latent-diffpir")], ids=["default", "named"])
def test_known_pixels_come_back_bit_for_bit(
    made: Any, work: Path, channels: int, picture: str, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    import cv2

    from restore.cli import main

    _, folder = made(pipelines.stable_diffusion, channels=channels)
    assert main(["inpaint", picture, *INPAINT, "--prior", str(folder), *words]) == 0
    before, after = (cv2.imread(name, cv2.IMREAD_UNCHANGED) for name in (picture, "out.png"))
    known = cv2.imread("mask.png", cv2.IMREAD_UNCHANGED) == 0
    assert after.shape == before.shape
    assert (after[known] == before[known]).all()
    assert (after[~known] != before[~known]).any()


@pytest.mark.parametrize(
    ("task", "channels", "words", "code", "said"),
    [
        ("inpaint", 4, ("--label", "3"), 2, "--label: this prior has no use for it"),
        ("inpaint", 4, ("--guidance", "pnp"), 2, "PnP needs a Linear operator, got Decoded"),
        ("inpaint", 4, ("--guidance-scale", "-1"), 2, "--guidance-scale"),
        ("denoise", 9, ("--sigma", "20"), 2, "this prior fills masks, and takes no Identity operator"),
        ("tiny", 4, (), 3, "works on cells of 2x2 pixels, and the picture has 27x1"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    made: Any,
    work: Path,
    capfd: pytest.CaptureFixture[str],
    task: str,
    channels: int,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    from restore.cli import main

    _, folder = made(pipelines.stable_diffusion, channels=channels)
    common = ["--prior", str(folder), "--device", "cpu", "--steps", "2", "-o", "out.png", "-q", *words]
    line = {
        "inpaint": ["inpaint", "img.png", "--mask", "mask.png"],
        "denoise": ["denoise", "img.png"],
        "tiny": ["denoise", "tiny.png", "--sigma", "20"],
    }[task]
    capfd.readouterr()  # What transformers says while it is imported.
    assert main([*line, *common]) == code
    out, err = capfd.readouterr()
    assert out == ""
    (told,) = err.splitlines()
    assert said in told
    assert not Path("out.png").exists()


def test_a_record_reruns_to_the_same_bytes(made: Any, work: Path) -> None:
    from restore.cli import main

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    words = ["--prompt", "a cat", "--guidance-scale", "3", "--record"]
    assert main(["inpaint", "img.png", *INPAINT, "--prior", str(folder), *words]) == 0
    assert main(["rerun", "out.png", "-o", "again.png"]) == 0
    assert Path("again.png").read_bytes() == Path("out.png").read_bytes()


def test_a_plan_counts_codec_and_gradient(made: Any) -> None:
    """Memory of windows is that of the decoder where it is larger, and of all parts where a gradient goes through all."""
    from restore.planning.activation_memory import decoding, encoding, evaluation
    from restore.planning.dry_run import dry_run
    from restore.planning.plan import HEAP, bytes_held, make_plan

    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    prior, keep = pretrained.prior(str(folder)), torch.ones(1, 1, 64, 64, dtype=torch.bool)
    keep[..., 20:40, 20:40] = False
    posed = Problem(torch.zeros(1, 3, 64, 64), Mask(keep), 0.0, (1, 3, 64, 64))
    problem, cpu = prior.codec.enter(posed), torch.device("cpu")
    for guidance, graph in ((BlendedLatents(), False), (PSLD(), True)):
        plan = make_plan(problem, prior, guidance, posed=posed, steps=2)
        tried = dry_run(problem, prior, guidance, plan.sampler, plan.schedule)
        picture, window, count = bytes_held(plan, tried)
        coded = [count(prior.codec, (64, 64), graph=graph, device=cpu) for count in (decoding, encoding)]
        parts = evaluation(prior, 1, 32, 32, graph=graph, device=cpu), *coded
        assert min(parts) > 0
        assert window == int(HEAP * (sum(parts) if graph else max(parts)))
        assert (picture >= 4 * 64 * 64 * 3 * 4, count) == (True, 1)


@pytest.mark.parametrize(
    ("build", "words"), [("stable_diffusion", ["--prompt", "a cat"]), ("dit", ["--label", "cock"]), ("ldm", [])]
)
def test_samples_are_pictures_of_the_priors_own_size(
    made: Any, work: Path, capfd: pytest.CaptureFixture[str], build: str, words: list[str]
) -> None:
    import cv2

    from restore.cli import main

    _, folder = made(getattr(pipelines, build))
    line = ["sample", str(folder), "-n", "2", "--steps", "3", "--device", "cpu", "--trajectory", "film.png", *words]
    assert main(line) == 0
    grid, film = cv2.imread("samples.png"), cv2.imread("film.png")
    assert sorted(grid.shape[:2]) == [32, 68]
    assert film.shape[0] == 4 * 36 - 4  # For each of two pictures a row of states and one of D.
    capfd.readouterr()
    wrong = ["--label", "1"] if build != "dit" else ["--prompt", "a cat"]
    assert main([*line[:2], *wrong, "-o", "none.png"]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert not Path("none.png").exists()


@pytest.mark.parametrize(
    ("build", "words", "code", "said"),
    [
        (
            pipelines.ldm,
            ["info"],
            0,
            "a LDMPipeline of diffusers with scheduler (DDIMScheduler), unet (UNet2DModel), vqvae (VQM",
        ),
        (pipelines.ldm, ["verify"], 0, ": ok, weights"),
        (pipelines.with_classes, ["verify"], 0, "not evaluated: this prior is of 10 classes"),
        (pipelines.ldm, ["convert"], 3, "it loads as it is, and is not converted"),
    ],
    ids=["info", "verify", "classes", "convert"],
)
def test_models_tells_of_a_pipeline(
    made: Any, work: Path, capfd: pytest.CaptureFixture[str], build: Build, words: list[str], code: int, said: str
) -> None:
    from restore.cli import main

    _, folder = made(build)
    assert main(["models", *words, str(folder), *(["out"] if words == ["convert"] else [])]) == code
    assert said in "".join(capfd.readouterr())


@pytest.mark.parametrize("channels", [4, 9])
def test_strength_says_how_much_is_repainted(made: Any, work: Path, channels: int) -> None:
    import cv2

    from restore.cli import main

    _, folder = made(pipelines.stable_diffusion, channels=channels)
    results = []
    for strength in ("0.01", "1"):
        line = ["inpaint", "img.png", *INPAINT, "--prior", str(folder), "--strength", strength, "--overwrite"]
        assert main(line) == 0
        results.append(cv2.imread("out.png").astype(int))
    assert (results[0] != results[1]).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_and_the_codec_stays_in_float32(made: Any, dtype: torch.dtype) -> None:
    """Networks are kept in half precision; answers differ by its rounding of a noise that is multiplied by sigma."""
    _, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    exact, half = pretrained.prior(str(folder)), pretrained.prior(str(folder), dtype=dtype)
    kinds = {str(part.dtype) for name, part in half.state_dict().items() if ".network." in name and "coding" not in name}
    assert kinds == {str(dtype)}
    assert {part.dtype for part in half.coding.parameters()} == {torch.float32}
    z, sigma = noise(1, 4, 16, 16), 2.0
    with torch.no_grad():
        off = (half(z, sigma) - exact(z, sigma)).abs().max()
    assert float(off) < 64 * sigma * torch.finfo(dtype).eps


@pytest.mark.parametrize("upcast", [True, False])
def test_a_codec_is_asked_in_float32_whatever_its_config_says(made: Any, tmp_path: Path, upcast: bool) -> None:
    """`force_upcast` says that a codec overflows in float16; one that does not say so is not tried there either."""
    import shutil

    pipeline, folder = made(pipelines.stable_diffusion, prediction="epsilon")
    shutil.copytree(folder, tmp_path / "m")
    config = tmp_path / "m" / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "force_upcast": upcast}))
    codec, z = pretrained.prior(str(tmp_path / "m"), dtype=torch.float16).codec, noise(1, 4, 16, 16)
    with torch.no_grad():
        same(codec.decode(z, (32, 32)), pipeline.vae.decode(z / codec.scale).sample)
        same(codec.decode(z.half(), (32, 32)), pipeline.vae.decode(z.half().float() / codec.scale).sample.half())
