"""Priors from elsewhere: what diffusers saved is asked as diffusers asks it, and one step here is one step there.

Everything runs in float64, so that agreement is agreement of formulas.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from restore import pretrained
from restore.errors import PriorError
from restore.priors import DDPM, VE, Prior
from restore.sampling.samplers import ddim, euler_maruyama
from restore.testing import check_prior

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own dependencies warn while they are imported.
    import diffusers

SHAPE = (2, 3, 16, 16)
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
TABLES = ["linear", "scaled_linear", "squaredcos_cap_v2"]


def unet(**changes: Any) -> Any:
    """A tiny random network, as sensitive to time and picture as a trained one."""
    torch.manual_seed(0)
    config = {
        "sample_size": 16,
        "block_out_channels": (32, 32),
        "down_block_types": ("DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        **changes,
    }
    return diffusers.UNet2DModel(**config)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DDPM pipeline in diffusers layout, saved once."""
    folder = tmp_path_factory.mktemp("pipeline") / "ddpm"
    diffusers.DDPMPipeline(unet(), diffusers.DDPMScheduler(clip_sample=False)).save_pretrained(folder)
    return folder


@pytest.fixture
def saved(pipeline: Path, tmp_path: Path) -> Callable[..., Path]:
    """The pipeline with another scheduler, or with parts of its configs changed."""

    def copy(scheduler: Any = None, *, network: dict[str, Any] | None = None, **changes: Any) -> Path:
        folder = tmp_path / "saved"
        shutil.copytree(pipeline, folder)
        if scheduler is not None:
            scheduler.save_pretrained(folder / "scheduler")
        edit(folder / "scheduler" / "scheduler_config.json", changes)
        edit(folder / "unet" / "config.json", network or {})
        return folder

    return copy


def edit(path: Path, changes: dict[str, Any]) -> None:
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def both(folder: Path, scheduler: Any) -> tuple[Prior, Callable[[Tensor, int], Tensor]]:
    """The prior, and the network's answer to x_t in the chain's coordinates, asked by hand."""
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    network = diffusers.UNet2DModel.from_pretrained(folder / "unet").double()

    @torch.no_grad()
    def ask(noisy: Tensor, time: int) -> Tensor:
        answer: Tensor = network(noisy, time).sample
        return answer

    return pretrained.prior(f"diffusers:{folder}").double(), ask


def step(prior: Prior, sampler: Any, alphas: Tensor, time: int, before: int, noisy: Tensor, fresh: Tensor) -> Tensor:
    """One step of ours from t to an earlier one, in the chain's coordinates."""
    sigma, sigma_next = (((1 - alphas[t]) / alphas[t]).sqrt() for t in (time, before))
    with torch.no_grad():
        moved = sampler(prior, noisy / alphas[time].sqrt(), sigma, sigma_next, lambda _: fresh)
    return alphas[before].sqrt() * moved


def same(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


CLIPPED = [("epsilon", "linear", 0.7), ("v_prediction", "squaredcos_cap_v2", 0.7)]


@pytest.mark.parametrize(
    ("prediction", "table", "clip"), [(prediction, table, None) for prediction in PREDICTIONS for table in TABLES] + CLIPPED
)
def test_one_ancestral_step_is_one_of_ddpm(saved: Callable[..., Path], prediction: str, table: str, clip: float | None) -> None:
    clipping = {"clip_sample": clip is not None, "clip_sample_range": clip or 1.0}
    scheduler = diffusers.DDPMScheduler(prediction_type=prediction, beta_schedule=table, **clipping)
    prior, ask = both(saved(scheduler), scheduler)
    for time in (1, 400, 950):
        noisy, drawn = noise(time), torch.Generator().manual_seed(7)
        wanted = scheduler.step(ask(noisy, time), time, noisy, generator=drawn).prev_sample
        same(step(prior, ddim(eta=1.0), scheduler.alphas_cumprod, time, time - 1, noisy, noise(7)), wanted)


@pytest.mark.parametrize(
    ("prediction", "table", "clip"),
    [(prediction, table, None) for prediction, table in zip(PREDICTIONS, TABLES, strict=True)] + CLIPPED,
)
def test_one_ddim_step_is_one_of_ddim(saved: Callable[..., Path], prediction: str, table: str, clip: float | None) -> None:
    clipping = {"clip_sample": clip is not None, "clip_sample_range": clip or 1.0}
    scheduler = diffusers.DDIMScheduler(prediction_type=prediction, beta_schedule=table, **clipping)
    scheduler.set_timesteps(20)
    prior, ask = both(saved(scheduler), scheduler)
    for time, eta in ((50, 0.0), (450, 0.0), (450, 1.0), (950, 1.0)):
        noisy = noise(time)
        # A clipped x0 must be explained by the noise that goes with it, or the level is no longer that of the next step.
        options = {"eta": eta, "use_clipped_model_output": True, "variance_noise": noise(8)}
        wanted = scheduler.step(ask(noisy, time), time, noisy, **options).prev_sample
        same(step(prior, ddim(eta=eta), scheduler.alphas_cumprod, time, time - 50, noisy, noise(8)), wanted)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_ddim_step_is_the_first_of_pndm(saved: Callable[..., Path], prediction: str) -> None:
    """Later steps of PNDM remember earlier answers; network and table are the same, which the first step shows."""
    scheduler = diffusers.PNDMScheduler(prediction_type=prediction, skip_prk_steps=True)
    prior, ask = both(saved(scheduler), scheduler)
    for time in (50, 950):
        scheduler.set_timesteps(20)
        noisy = noise(time)
        wanted = scheduler.step_plms(ask(noisy, time), time, noisy).prev_sample
        same(step(prior, ddim(eta=0.0), scheduler.alphas_cumprod, time, time - 50, noisy, noise(0)), wanted)


@pytest.mark.parametrize("kind", ["DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "EulerDiscreteScheduler"])
def test_every_sampler_of_the_chain_means_the_same_prior(saved: Callable[..., Path], kind: str) -> None:
    scheduler = getattr(diffusers, kind)(beta_start=0.001, beta_end=0.01, num_train_timesteps=500)
    prior = pretrained.prior(str(saved(scheduler)))
    assert isinstance(prior, DDPM)
    assert (prior.channels, prior.multiple_of, len(prior.alphas_cumprod)) == (3, 2, 500)
    same(prior.alphas_cumprod, scheduler.alphas_cumprod.double())
    assert prior.clip == (1.0 if kind in ("DDPMScheduler", "DDIMScheduler") else None)


def test_a_table_given_as_numbers(saved: Callable[..., Path]) -> None:
    betas = torch.linspace(0.01, 0.2, 20)
    prior = pretrained.prior(str(saved(diffusers.DDPMScheduler(num_train_timesteps=20, trained_betas=betas.tolist()))))
    assert isinstance(prior, DDPM)
    same(prior.alphas_cumprod, (1 - betas).cumprod(0).double())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear"])
def test_a_last_step_of_pure_noise_is_kept_where_a_picture_is_predicted(
    saved: Callable[..., Path], prediction: str, betas: str
) -> None:
    """Its share of a picture is that of diffusers' Euler schedulers, unless the step before has less."""
    scheduler = diffusers.DDPMScheduler(rescale_betas_zero_snr=True, prediction_type=prediction, beta_schedule=betas)
    assert scheduler.alphas_cumprod[-1] == 0
    prior = pretrained.prior(str(saved(scheduler)))
    assert isinstance(prior, DDPM)
    same(prior.alphas_cumprod[:999], scheduler.alphas_cumprod[:-1].double())
    assert torch.isfinite(prior.table).all()
    if prediction == "epsilon":
        assert len(prior.table) == 999
    else:
        before, last = prior.alphas_cumprod[998:].tolist()
        assert last == pytest.approx(2.0**-24 if before > 2.0**-24 else before / 4)


@pytest.mark.parametrize(
    ("changes", "prediction", "variance", "clip"),
    [
        ({}, "epsilon", "fixed-small", None),
        ({"predict_epsilon": False, "prediction_type": "absent"}, "sample", "fixed-small", None),
        ({"prediction_type": "absent", "clip_sample": "absent"}, "epsilon", "fixed-small", 1.0),
        ({"thresholding": True, "sample_max_value": 2.0}, "epsilon", "fixed-small", 1.0),
        ({"variance_type": "fixed_large"}, "epsilon", "fixed-large", None),
    ],
)
def test_how_a_network_is_asked_is_read_from_the_config(
    saved: Callable[..., Path], changes: dict[str, Any], prediction: str, variance: str, clip: float | None
) -> None:
    prior = pretrained.prior(str(saved(**changes)))
    assert isinstance(prior, DDPM)
    assert (prior.prediction, prior.variance, prior.clip) == (prediction, variance, clip)


def test_the_half_that_answers_the_variance_is_dropped(tmp_path: Path) -> None:
    network, scheduler = unet(out_channels=6), diffusers.DDPMScheduler(variance_type="learned_range", clip_sample=False)
    diffusers.DDPMPipeline(network, scheduler).save_pretrained(tmp_path)
    prior, ask = both(tmp_path, scheduler)
    assert isinstance(prior, DDPM)
    assert prior.variance == "learned"
    alpha, noisy = scheduler.alphas_cumprod[300], noise(3)
    with torch.no_grad():
        found = prior(noisy / alpha.sqrt(), ((1 - alpha) / alpha).sqrt())
    same(found, (noisy - (1 - alpha).sqrt() * ask(noisy, 300)[:, :3]) / alpha.sqrt())


# Score-SDE-VE


@pytest.fixture(scope="module")
def exploding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ve")
    network = unet(
        time_embedding_type="fourier",
        center_input_sample=True,
        down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"),
        up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"),
    )
    diffusers.DDPMPipeline(network, diffusers.DDPMScheduler()).save_pretrained(folder)
    diffusers.ScoreSdeVeScheduler(sigma_min=0.01, sigma_max=50.0, num_train_timesteps=100).save_pretrained(folder / "scheduler")
    return folder


def test_one_step_of_the_reverse_sde_is_the_predictor_of_score_sde_ve(exploding: Path) -> None:
    """Pictures there are u in [0, 1], here x = 2 u - 1 with levels twice as large."""
    scheduler = diffusers.ScoreSdeVeScheduler.from_pretrained(exploding / "scheduler")
    network = diffusers.UNet2DModel.from_pretrained(exploding / "unet")
    prior = pretrained.prior(str(exploding))
    assert isinstance(prior, VE)
    assert (prior.sigma_min, prior.sigma_max, prior.levels) == (0.02, 100.0, None)
    for index in (30, 60, 99):
        sigma, sigma_next = scheduler.discrete_sigmas[index], scheduler.discrete_sigmas[index - 1]
        noisy = (0.5 + sigma * noise(1)).float()
        with torch.no_grad():
            score = network(noisy, sigma.expand(2)).sample
            moved = scheduler.step_pred(score, index / 99 + 1e-4, noisy, generator=torch.Generator().manual_seed(2)).prev_sample
            fresh = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
            found = euler_maruyama()(prior, 2 * noisy - 1, 2 * sigma, 2 * sigma_next, lambda _, z=fresh: z)
        # The filters of these networks are float32 whatever the rest is.
        torch.testing.assert_close((found + 1) / 2, moved, rtol=1e-5, atol=1e-5 * float(sigma))


# Layouts


def test_a_network_with_its_scheduler_beside_it(pipeline: Path, tmp_path: Path) -> None:
    """As `save_pretrained` leaves both in one folder, and as the oldest models on the Hub lie."""
    for part in ("unet", "scheduler"):
        shutil.copytree(pipeline / part, tmp_path / "flat", dirs_exist_ok=True)
    shutil.copy(pipeline / "model_index.json", tmp_path / "flat")
    x = noise(3).float()
    for sigma in (0.1, 5.0):
        assert torch.equal(pretrained.prior(str(tmp_path / "flat"))(x, sigma), pretrained.prior(str(pipeline))(x, sigma))


def test_weights_as_older_versions_saved_them(pipeline: Path, tmp_path: Path) -> None:
    shutil.copytree(pipeline, tmp_path / "old")
    (tmp_path / "old" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    network = diffusers.UNet2DModel.from_pretrained(pipeline / "unet")
    torch.save(network.state_dict(), tmp_path / "old" / "unet" / "diffusion_pytorch_model.bin")
    x = noise(3).float()
    assert torch.equal(pretrained.prior(str(tmp_path / "old"))(x, 1.0), pretrained.prior(str(pipeline))(x, 1.0))


def test_laws(pipeline: Path, exploding: Path) -> None:
    check_prior(pretrained.prior(str(pipeline)))
    check_prior(pretrained.prior(str(exploding)))


# Refusals

NETWORKS = [
    ({"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel (conditional by cross-attention)"),
    ({"_class_name": "DiTTransformer2DModel"}, "DiTTransformer2DModel; only an unconditional UNet2DModel"),
    ({"num_class_embeds": 10}, "the weights of its unet do not fit its config: 1 missing tensors"),
    ({"class_embed_type": "timestep"}, "class-conditional (timestep classes)"),
    ({"in_channels": 4, "out_channels": 4}, "has 4 input and 4 output channels"),
    ({"out_channels": 5}, "has 3 input and 5 output channels"),
    ({"time_embedding_type": "learned"}, "a table of integer steps"),
    ({"block_out_channels": [64, 64]}, "have another shape"),
    ({"layers_per_block": 2}, "tensors, of which 44 are missing"),
    ({"down_block_types": ["NoBlock", "DownBlock2D"]}, "its network cannot be built"),
    ({"norm_num_groups": 0}, "norm_num_groups must be a whole number from 1"),
    ({"norm_num_groups": 5}, "its network cannot be built"),
    ({"block_out_channels": []}, "block_out_channels must be a list"),
    ({"layers_per_block": 10**9}, "layers_per_block must be a whole number"),
    ({"block_out_channels": [10**6, 10**6]}, "block_out_channels must be a list"),
    ({"down_block_types": "DownBlock2D"}, "down_block_types must be a list"),
    ({"auto_map": {"AutoModel": "code.Net"}}, "names code of its own (auto_map), which is never run"),
]
SCHEDULERS = [
    ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler; supported are"),
    ({"prediction_type": "flow_prediction"}, "prediction type 'flow_prediction' is not supported; supported: epsilon"),
    ({"num_train_timesteps": 10**12}, "num_train_timesteps must be a whole number"),
    ({"beta_end": float("nan")}, "beta_end must be a number from 0 to 1, got nan"),
    ({"clip_sample": "yes"}, "clip_sample must be true or false"),
    ({"beta_schedule": "loud"}, "betas of its scheduler config cannot be computed"),
    ({"beta_start": 0.0, "beta_end": 0.0}, "do not decrease from step to step"),
    ({"variance_type": "learned_range"}, "no second half"),
]


@pytest.mark.parametrize(("network", "said"), NETWORKS)
def test_networks_that_cannot_be_asked_are_refused(saved: Callable[..., Path], network: dict[str, Any], said: str) -> None:
    refused(str(saved(network=network)), said)


@pytest.mark.parametrize(("changes", "said"), SCHEDULERS)
def test_schedulers_of_other_kinds_are_refused(saved: Callable[..., Path], changes: dict[str, Any], said: str) -> None:
    refused(str(saved(**changes)), said)


def test_pipelines_that_are_not_known_are_refused(saved: Callable[..., Path]) -> None:
    folder = saved()
    edit(folder / "model_index.json", {"_class_name": "KandinskyPipeline", "movq": ["diffusers", "VQModel"]})
    refused(str(folder), "is a KandinskyPipeline with movq")


def test_pipelines_without_their_codec_are_refused(saved: Callable[..., Path]) -> None:
    folder = saved()
    edit(folder / "model_index.json", {"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"]})
    refused(str(folder), "no config of its vqvae; looked for vqvae/config.json")


@pytest.mark.parametrize("changes", [{"_class_name": ["code", "Pipeline"]}, {"unet": ["code", "UNet2DModel"]}])
def test_code_in_a_folder_is_not_run(saved: Callable[..., Path], changes: dict[str, Any]) -> None:
    folder = saved()
    (folder / "code.py").write_text(f"open({str(folder / 'harm')!r}, 'w')")
    edit(folder / "model_index.json", changes)
    refused(str(folder), "which is never run")
    assert not (folder / "harm").exists()


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("scheduler/scheduler_config.json", "no scheduler config"),
        ("unet/config.json", "no config of a network"),
        ("unet/diffusion_pytorch_model.safetensors", "no weights"),
    ],
)
def test_a_missing_part_is_named(saved: Callable[..., Path], missing: str, said: str) -> None:
    folder = saved()
    (folder / missing).unlink()
    refused(str(folder), said)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_broken_config_is_named(saved: Callable[..., Path], content: bytes) -> None:
    folder = saved()
    (folder / "unet" / "config.json").write_bytes(content)
    refused(str(folder), "config.json")


def test_truncated_weights_are_refused(saved: Callable[..., Path]) -> None:
    folder = saved()
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(str(folder), "cannot be read or is cut short")


@pytest.mark.parametrize("name", ["diffusers:no such/folder/here", "diffusers:.", "some where", "a/b/c"])
def test_what_is_no_model_is_one_line(name: str) -> None:
    refused(name, "")


def refused(name: str, said: str) -> None:
    with pytest.raises(PriorError) as caught:
        pretrained.prior(name, local_files_only=True)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.exit_code == 3
