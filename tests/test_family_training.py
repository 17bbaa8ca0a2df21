"""Training of every family: resumed exactly, shared among processes, drawn, exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from accelerate.tracking import GeneralTracker

from restore import Restorer
from restore.cli import main
from restore.errors import PriorError, UsageError
from restore.networks.presets import PRESETS
from restore.objectives import Objective
from restore.priors.loaders import folder
from restore.training import families, pictures
from restore.training import train as module
from restore.training.budget import Budget
from restore.training.data import Crops
from restore.training.state import METRICS, STATE, truncate_metrics
from restore.training.train import train

NETWORK = {"type": "residual-unet", "channels": 1, "widths": [8, 8], "blocks": 1, "patch": 2, "constants": True}
UNET = {"type": "unet2d", "channels": 1, "widths": [8, 16], "blocks": 1, "attention": [1]}
KINDS = {name: (name, {}) for name in families.OPTIONS} | {
    "ddpm, learned": ("ddpm", {"variance": "learned", "schedule": "cosine"})
}


def crops(count=8, side=16, flip=True):
    rng = np.random.default_rng(0)
    shown = tuple(np.full((side, side, 1), value, np.uint8) for value in rng.integers(30, 226, count))
    return Crops(shown, np.full(count, 1 / count), size=8, flip=flip)


def run(out, kind="vp", steps=8, *, network=NETWORK, stop_at=None, **keywords):
    """A short run; all its losses. `stop_at` ends it as a kill would: after that step, before it is saved."""
    family, given = KINDS[kind]
    words = families.settings(family, given)
    config = families.config(family, network, words, None)
    losses: list[float] = []

    def stop(report):
        if report.step == stop_at:
            raise SystemExit

    train(
        config,
        families.objective(config, words),
        crops(),
        out,
        Budget(steps=steps, warmup=2),
        **{"batch": 4, "learning_rate": 3e-3, "ema": 0.9, "on_step": stop, **keywords},
        on_checkpoint=lambda prior, report, heard: losses.__setitem__(slice(None), heard),
    )
    return losses


def state(out):
    return torch.load(out / STATE, weights_only=True)


def same_weights(one, other):
    first, second = state(one), state(other)
    for part in ("prior", "average"):
        assert all(torch.equal(value, second[part][name]) for name, value in first[part].items())


@pytest.mark.parametrize(("kind", "network"), [*((kind, NETWORK) for kind in KINDS), ("ddpm", UNET)])
def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path, kind, network):
    with pytest.raises(SystemExit):
        run(tmp_path / "killed", kind, steps=6, stop_at=4, save_every=0, network=network)
    assert state(tmp_path / "killed")["step"] == 3
    resumed = run(tmp_path / "killed", kind, steps=6, resume=True, network=network)
    whole = run(tmp_path / "whole", kind, steps=6, network=network)
    assert len(whole) == 6
    assert resumed == pytest.approx(whole, rel=1e-6)  # Kept in float32, resumed in float64.
    same_weights(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_learns(tmp_path, kind):
    losses = run(tmp_path, kind, steps=50, batch=8, learning_rate=1e-2)
    assert np.mean(losses[-15:]) < 0.8 * np.mean(losses[:5])
    trained = folder.load(tmp_path)
    gray = 0.3 * torch.ones(4, 1, 8, 8)
    noisy = gray + 0.3 * torch.randn(gray.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        after = (trained(noisy, 0.3) - gray).square().mean()
    assert after < 0.7 * (noisy - gray).square().mean()


def test_a_run_does_not_go_on_as_another_family(tmp_path):
    run(tmp_path, "vp", steps=2)
    with pytest.raises(PriorError, match="holds a run of family vp"):
        run(tmp_path, "flow", steps=4, resume=True)
    run(tmp_path / "ve", "ve", steps=2)
    KINDS["ve, narrow"] = ("ve", {"sigma_max": 20.0})
    with pytest.raises(PriorError, match=r"family ve with .*100\.0.* as ve with .*20\.0"):
        run(tmp_path / "ve", "ve, narrow", steps=4, resume=True)
    del KINDS["ve, narrow"]


def test_metrics_written_after_the_last_checkpoint_are_dropped(tmp_path):
    lines = [json.dumps({"step": step, "loss": 1 / step}) for step in (100, 200, 300)]
    (tmp_path / METRICS).write_text("\n".join([*lines, '{"step": 4']))  # The last was cut off by the kill.
    truncate_metrics(tmp_path, 250)
    assert (tmp_path / METRICS).read_text() == "".join(line + "\n" for line in lines[:2])
    truncate_metrics(tmp_path / "nowhere", 5)


# Accumulation and trackers


@dataclass(frozen=True)
class Plain(Objective):
    """An error without chance: what a batch gives, its parts give together."""

    def loss(self, model, clean, generator):
        return (model(clean, 0.5) - clean.tanh()).square().mean()


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_is_the_batch(tmp_path, parts):
    def go(name, accumulate):
        train(
            {"family": "vp", "network": NETWORK, "prior": {}},
            Plain(),
            crops(),
            tmp_path / name,
            Budget(steps=5, warmup=1),
            batch=4,
            accumulate=accumulate,
        )
        return state(tmp_path / name)

    whole, split = go("whole", 1), go("split", parts)
    torch.testing.assert_close(split["losses"], whole["losses"], rtol=1e-4, atol=1e-6)
    assert whole["losses"][-1] < whole["losses"][0]
    assert split["step"] == 5
    for name, value in whole["average"].items():
        torch.testing.assert_close(split["average"][name], value, rtol=1e-2, atol=2e-5)


def test_a_batch_that_cannot_be_parted_is_refused(tmp_path):
    with pytest.raises(UsageError, match="a batch of 4 cannot be divided among 1 processes times 3 micro-batches"):
        run(tmp_path, accumulate=3)


class Heard(GeneralTracker):
    name, requires_logging_directory, main_process_only = "heard", False, True
    tracker = None

    def __init__(self):
        super().__init__()
        self.lines = []

    def store_init_configuration(self, values):
        pass

    def log(self, values, step, **keywords):
        self.lines.append((step, values))


def test_a_tracker_hears_loss_and_rate_every_tenth_step(tmp_path):
    heard = Heard()
    losses = run(tmp_path, steps=30, tracker=heard)
    assert [step for step, _ in heard.lines] == [10, 20, 30]
    assert [values["loss"] for _, values in heard.lines] == pytest.approx([losses[9], losses[19], losses[29]])
    assert heard.lines[0][1]["rate"] == pytest.approx(3e-3)


# The command


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("digits.npy", np.random.default_rng(0).integers(0, 256, (20, 12, 12), np.uint8))
    return tmp_path


def command(*words):
    return main(["train", "digits.npy", "-o", "out", "--channels", "1", "--size", "12", "--batch", "4", *words])


def test_the_command_draws_its_loss_and_samples_and_the_prior_restores(data, capfd):
    words = ["--family", "ncsn", "--levels", "30", "--sigma-max", "20", "--network", "whole-small", "--no-flip"]
    assert command(*words, "--steps", "3") == 0
    assert capfd.readouterr().out == "out\n"
    assert cv2.imread("out/loss.png").shape == (360, 720, 3)
    assert cv2.imread("out/samples.png").shape == (4 * 16 - 4, 4 * 16 - 4, 3)
    assert not list(Path("out").glob(".*"))
    told = json.loads(Path("out/config.json").read_text())
    assert told["prior"] == {"sigma_start": None, "sigma_min": 0.02, "sigma_max": 20.0, "count": 30}
    card = Path("out/README.md").read_text()
    for said in ("--family ncsn", "--network whole-small", "--channels 1", "--levels 30", "--sigma-max 20.0", "--no-flip"):
        assert said in card
    assert "--sigma-mean" not in card
    restorer = Restorer.from_pretrained("out", device="cpu", dtype="float32")
    assert len(restorer.prior.levels) == 30
    assert restorer("denoise", np.zeros((10, 9), np.uint8), sigma=20).image.shape == (10, 9)


REFUSED = {
    "--family vp --steps 1 --sigma-max 20": "--sigma-max is for edm, ncsn, ve; family vp does not have it",
    "--family edm --steps 1 --prediction v": "--prediction is for ddpm; family edm does not have it",
    "--family ve --steps 1 --sigma-min 9 --sigma-max 3": "--sigma-min 9 is not below --sigma-max 3",
    "--family edm --steps 1 --sigma-min 90": "--sigma-min 90 is not below --sigma-max 80",
    "--family vp --steps 1 --diffusers": "give --family ddpm and --network unet-tiny, unet-small or unet-base",
    "--family ddpm --steps 1 --diffusers": "not ddpm and residual-unet",
    "--family vq --steps 1": "--family",
    "--family vp --steps 1 --accumulate 3": "a batch of 4 cannot be divided among 1 processes times 3 micro-batches",
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_words_are_one_line(data, capfd, words):
    assert command(*words.split()) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line]  # Rich 13 ends some with an empty one.
    (line,) = [line for line in lines if not line.endswith("procedural ones")]
    assert line.startswith("error: ")
    assert REFUSED[words] in line
    assert not Path("out").exists()


def test_gray_pictures_for_a_colour_prior_are_told_apart(data, capfd):
    assert main(["train", "digits.npy", "-o", "out", "--steps", "1"]) == 1
    said = capfd.readouterr().err
    assert said == "error: digits.npy: expected (N, H, W, 3) uint8, found (20, 12, 12, 1) uint8; give --channels 1\n"


def test_a_tracker_that_is_not_installed_is_one_line(data, capfd, monkeypatch):
    monkeypatch.setattr(module, "get_available_trackers", lambda: [])
    assert command("--steps", "1", "--tracker", "tensorboard") == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: tracker 'tensorboard' is not installed here; pip install 'diffusion-restore[tensorboard]'"
    )
    assert not Path("out").exists()


def test_digits_are_neither_mirrored_nor_turned():
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    kept = Crops((ramp,), np.ones(1), size=8, flip=False).batch(40, seed=0, step=0)
    assert bool((kept == kept[:1]).all())
    torch.testing.assert_close(kept[0, 0], torch.from_numpy(ramp[..., 0] / 127.5 - 1).float())
    assert len(torch.unique(Crops((ramp,), np.ones(1), size=8).batch(99, seed=0, step=0), dim=0)) == 8


# Pictures of a run


def rows_of_the_mean(canvas):
    """Where the strong line runs, column by column."""
    strong = (np.abs(canvas.astype(int) - pictures.DARK).sum(axis=2) < 20).astype(float)
    return [np.average(np.arange(len(column)), weights=column) for column in strong.T if column.any()]


def test_the_curve_falls_where_the_loss_falls_and_is_flat_where_it_is_flat():
    falling = rows_of_the_mean(pictures.loss_curve(list(np.geomspace(1, 0.01, 500))))
    # A falling exponential is a straight line on a logarithmic scale, from top to bottom.
    assert falling[0] < 40 < 300 < falling[-1]
    assert np.abs(np.diff(falling, 2)).max() < 1.5
    flat = rows_of_the_mean(pictures.loss_curve([0.3] * 50))
    assert np.ptp(flat) < 1
    for short in ([0.5], [0.5, 0.4], [0.0, 0.0]):
        assert pictures.loss_curve(short).shape == (360, 720, 3)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_and_say_what_sizes_they_take(name):
    network = {**PRESETS[name], "channels": 3}
    with torch.device("meta"):
        kind = dict(network)
        built = folder.NETWORKS[kind.pop("type")](**kind)
        side = 2 * built.multiple_of
        assert built(torch.zeros(1, 3, side, side), torch.zeros(1)).shape == (1, 3, side, side)


# diffusers' layout


@pytest.mark.parametrize(
    ("given", "kind"),
    [({}, "fixed_small"), ({"prediction": "v", "schedule": "cosine", "variance": "learned"}, "learned_range")],
)
def test_diffusers_loads_and_samples_what_was_trained(tmp_path, given, kind):
    from restore.training.export import to_diffusers

    words = families.settings("ddpm", given)
    config = families.config("ddpm", UNET, words, None)
    torch.manual_seed(0)
    prior = folder.build(config).eval()
    to_diffusers(prior, config, 8, tmp_path / "diffusers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import DDPMPipeline

        pipeline = DDPMPipeline.from_pretrained(tmp_path / "diffusers")
        pipeline.set_progress_bar_config(disable=True)
        images = pipeline(
            batch_size=2, num_inference_steps=3, generator=torch.Generator().manual_seed(0), output_type="np"
        ).images
    assert images.shape == (2, 8, 8, 1)
    assert np.isfinite(images).all()
    torch.testing.assert_close(pipeline.scheduler.alphas_cumprod.double(), prior.alphas_cumprod, rtol=1e-4, atol=1e-9)
    assert pipeline.scheduler.config.variance_type == kind
    x_t = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    time = torch.tensor([10.0, 500.0])
    with torch.no_grad():
        torch.testing.assert_close(pipeline.unet(x_t, time).sample, prior.network(x_t, time), rtol=1e-4, atol=1e-5)


def test_the_command_writes_diffusers_layout_that_comes_back_as_a_prior(data):
    words = ["--family", "ddpm", "--network", "unet-tiny", "--diffusers", "--steps", "1"]
    assert command(*words) == 0
    own, theirs = (Restorer.from_pretrained(name, device="cpu", dtype="float32").prior for name in ("out", "out/diffusers"))
    x = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        # Their scheduler clips D and has its table in float32; our folder has its weights in half precision.
        torch.testing.assert_close(theirs(x, 0.7), own(x, 0.7).clamp(-1, 1), rtol=0, atol=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["ddpm --variance learned", "flow", "ve"])
def test_two_processes_learn_as_one_does(data, words):
    np.save("digits.npy", np.random.default_rng(0).integers(0, 256, (20, 1, 1), np.uint8) + np.zeros((20, 12, 12), np.uint8))

    def loss(out, *launcher):
        given = ["train", "digits.npy", "-o", out, "--channels", "1", "--size", "12", "--batch", "8", "--steps", "200"]
        done = subprocess.run(
            [sys.executable, *launcher, "-m", "restore", *given, "--network", "whole-small", "--family", *words.split()],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "1"},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr
        return torch.load(f"{out}/{STATE}", weights_only=True)["losses"][-100:]

    one = loss("one")
    two = loss("two", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    # Each draws noise of its own: their means agree within the scatter of both.
    scatter = (one.var() / 100 + two.var() / 100).sqrt()
    assert (one.mean() - two.mean()).abs() < 4 * scatter
