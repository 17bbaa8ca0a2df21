"""The training loop and its command: a prior comes out, and an interrupted run is as if it had not been."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from photographs import crop
from safetensors.torch import load_file

from restore import Restorer
from restore.cli import main
from restore.errors import PriorError, UsageError
from restore.objectives import EDMObjective
from restore.priors.loaders import folder
from restore.training.budget import Budget
from restore.training.data import Crops
from restore.training.net2net import transfer_weights
from restore.training.train import LOSS_SYNC_INTERVAL, STATE, train

CONFIG = {
    "family": "edm",
    "network": {"type": "residual-unet", "channels": 1, "widths": [8, 16], "blocks": 1, "patch": 2},
    "prior": {"sigma_data": 0.5},
}
OBJECTIVE = EDMObjective(mean=-1.0, std=0.8)


def flat(count=8, side=24):
    """Pictures of one gray each: all that is to be learnt is to take means."""
    values = np.random.default_rng(0).integers(30, 226, count)
    pictures = tuple(np.full((side, side, 1), value, np.uint8) for value in values)
    return Crops(pictures, np.full(count, 1 / count), size=16)


@dataclass(frozen=True)
class Listening(EDMObjective):
    """Keeps every loss, unsmoothed."""

    heard: tuple[list[float], ...] = ()

    def loss(self, denoise, clean, generator):
        value = super().loss(denoise, clean, generator)
        self.heard[0].append(value.item())
        return value


def run(out, steps=12, *, warmup=5, **keywords):
    losses: list[float] = []
    report = train(
        CONFIG,
        Listening(mean=-1.0, std=0.8, heard=(losses,)),
        flat(),
        out,
        Budget(steps=steps, warmup=warmup),
        **{"batch": 4, "learning_rate": 3e-3, "ema": 0.9, **keywords},
    )
    return report, losses


def same_weights(one, other):
    first, second = (torch.load(path / STATE, weights_only=True) for path in (one, other))
    assert first["step"] == second["step"]
    for part in ("prior", "average"):
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part]), part
    moments = [state["optimizer"]["state"] for state in (first, second)]
    assert all(torch.equal(moments[0][key][name], moments[1][key][name]) for key in moments[0] for name in moments[0][key])
    assert (one / folder.WEIGHTS).read_bytes() == (other / folder.WEIGHTS).read_bytes()


# Learning


def test_training_learns_what_its_pictures_have_in_common(tmp_path):
    report, losses = run(tmp_path, steps=150, batch=8)
    assert report.step == len(losses) == 150
    assert report.progress == 1
    assert np.mean(losses[-40:]) < 0.5 * np.mean(losses[:5])
    # The averaged weights, as they lie in the folder, on noise they never saw.
    trained, untrained = folder.load(tmp_path), folder.build(CONFIG)
    clean = flat().batch(64, seed=9, step=0)
    with torch.no_grad():
        after, before = (OBJECTIVE.loss(one, clean, torch.Generator().manual_seed(9)).item() for one in (trained, untrained))
    assert after < 0.5 * before
    noisy = 0.4 + 0.5 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        errors = [(prior(noisy, 0.5) - 0.4).square().mean().sqrt() for prior in (trained, untrained)]
    assert errors[0] < 0.7 * errors[1]


def test_a_run_is_a_function_of_its_seed(tmp_path):
    runs = [run(tmp_path / name, steps=4, seed=seed)[1] for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    same_weights(tmp_path / "a", tmp_path / "b")


def test_losses_looked_at_late_are_the_same(tmp_path, monkeypatch):
    told: dict[str, list] = {"each": [], "late": []}
    at_each, _ = run(tmp_path / "each", on_checkpoint=lambda prior, report, losses: told["each"].append((report, [*losses])))
    monkeypatch.setitem(LOSS_SYNC_INTERVAL, "cpu", 5)
    late, heard = run(tmp_path / "late", on_checkpoint=lambda prior, report, losses: told["late"].append((report, [*losses])))
    assert late.step == at_each.step == 12  # Two losses are still unread when the run ends.
    assert late.loss == at_each.loss
    assert told["late"][-1][1] == told["each"][-1][1] == pytest.approx(heard)
    assert told["late"][-1][0].loss == late.loss


def test_the_written_weights_are_the_average_not_the_last(tmp_path):
    run(tmp_path, steps=12, ema=0.99)
    state = torch.load(tmp_path / STATE, weights_only=True)
    written = load_file(tmp_path / folder.WEIGHTS)
    name = "network.head.weight"
    assert torch.equal(written[name].float(), state["average"][name].half().float())
    assert not torch.allclose(state["average"][name], state["prior"][name], atol=1e-5)


def test_nothing_half_written_is_left(tmp_path):
    run(tmp_path, steps=3, save_every=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.CONFIG, folder.WEIGHTS, folder.CARD, STATE])


# Interruption

PROGRAM = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_training
def stop(report):
    if report.step == 7:
        os.kill(os.getpid(), signal.{signal})
test_training.run(Path({out!r}), on_step=stop, save_every=0)
"""


@pytest.mark.parametrize("name", ["SIGKILL", pytest.param("SIGINT", marks=pytest.mark.slow)])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, name):
    code = textwrap.dedent(PROGRAM).format(tests=str(Path(__file__).parent), out=str(tmp_path / "stopped"), signal=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == (-signal.SIGKILL if name == "SIGKILL" else 0), done.stderr
    reached = torch.load(tmp_path / "stopped" / STATE, weights_only=True)["step"]
    assert reached == (6 if name == "SIGKILL" else 7)  # Killed before the checkpoint of step 7.
    folder.load(tmp_path / "stopped")  # What lies there is whole.
    _, rest = run(tmp_path / "stopped", resume=True)
    _, losses = run(tmp_path / "whole")
    assert rest == losses[reached:]
    same_weights(tmp_path / "stopped", tmp_path / "whole")


def test_an_interrupt_in_the_middle_of_a_step_loses_nothing(tmp_path, monkeypatch):
    from restore.training import train as module

    average, calls = module._update_average, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        average(*arguments)

    monkeypatch.setattr(module, "_update_average", interrupted)
    run(tmp_path / "stopped")
    monkeypatch.undo()
    run(tmp_path / "stopped", resume=True)
    run(tmp_path / "whole")
    same_weights(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_that_hardware_lacks_is_warned_of(tmp_path, monkeypatch, caplog, has):
    monkeypatch.setattr("restore.training.train.multiplies_bfloat16", lambda device: has)
    with caplog.at_level(logging.WARNING, "restore"):
        run(tmp_path, steps=1, dtype=torch.bfloat16)
    assert ["no bfloat16 in hardware" in record.getMessage() for record in caplog.records] == [True] * (not has)


def test_a_finished_run_goes_on_with_a_larger_budget(tmp_path):
    run(tmp_path, steps=5)
    report, losses = run(tmp_path, steps=9, resume=True)
    assert (report.step, len(losses)) == (9, 4)


def test_a_run_is_not_started_over_by_mistake(tmp_path):
    run(tmp_path, steps=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(PriorError, match="holds a training run; resume=True continues it"):
        run(tmp_path, steps=3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_to_resume_nothing_is_to_start(tmp_path):
    report, losses = run(tmp_path / "new", steps=2, resume=True)
    assert (report.step, len(losses)) == (2, 2)


def test_a_model_without_its_training_state_is_not_written_over(tmp_path):
    run(tmp_path, steps=2)
    (tmp_path / STATE).unlink()
    before = (tmp_path / folder.WEIGHTS).read_bytes()
    with pytest.raises(PriorError):
        run(tmp_path, steps=3)
    assert (tmp_path / folder.WEIGHTS).read_bytes() == before


@pytest.mark.parametrize("spoil", ["truncated", "other network"])
def test_a_state_that_cannot_be_resumed_is_refused_in_one_line(tmp_path, spoil):
    run(tmp_path, steps=2)
    state = tmp_path / STATE
    if spoil == "truncated":
        state.write_bytes(state.read_bytes()[:1000])
    else:
        kept = torch.load(state, weights_only=True)
        del kept["prior"]["network.head.weight"]
        torch.save(kept, state)
    with pytest.raises(PriorError) as caught:
        run(tmp_path, steps=4, resume=True)
    assert "\n" not in str(caught.value)


def test_a_run_may_start_from_the_weights_of_another(tmp_path):
    run(tmp_path / "first", steps=3)
    first = folder.load(tmp_path / "first")
    _, losses = run(tmp_path / "second", steps=1, initial=first)
    _, fresh = run(tmp_path / "third", steps=1)
    assert losses != fresh
    for change in ({"widths": [8, 12]}, {"widths": [8, 16, 16]}, {"widths": [8]}, {"constants": True}):
        other = folder.build({**CONFIG, "network": {**CONFIG["network"], **change}})
        with pytest.raises(PriorError, match="another architecture"):
            run(tmp_path / "fourth", steps=1, initial=other)


def test_a_deeper_network_begins_as_the_one_it_grew_from(tmp_path):
    run(tmp_path / "first", steps=8)
    first = folder.load(tmp_path / "first").double()
    deeper = folder.build({**CONFIG, "network": {**CONFIG["network"], "blocks": [3, 2]}}).double()
    transfer_weights(first, deeper)
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(deeper(x, 0.3), first(x, 0.3), atol=1e-12, rtol=0)
    deeper(x, 0.3).square().mean().backward()
    assert all(block.second.weight.grad.abs().max() > 0 for block in deeper.network.down_blocks[0])  # The new ones learn, too.
    with pytest.raises(PriorError, match="another architecture"):
        transfer_weights(deeper, first)  # Blocks are not dropped.


def test_a_cascade_begins_with_the_weights_of_the_network_it_grew_from(tmp_path):
    run(tmp_path / "first", steps=8)
    first = folder.load(tmp_path / "first").double()
    cascade = folder.build({**CONFIG, "network": {**CONFIG["network"], "cascade": True}}).double()
    own = cascade.network.head.weight.detach().clone()
    transfer_weights(first, cascade)
    head = cascade.network.head.weight
    taken = first.network.head.weight.shape[1]
    torch.testing.assert_close(head[:, :taken], first.network.head.weight, atol=0, rtol=0)
    torch.testing.assert_close(head[:, taken:], own[:, taken:], atol=0, rtol=0)
    assert own[:, taken:].abs().min() > 0
    with pytest.raises(PriorError, match="another architecture"):
        transfer_weights(cascade, first)


def test_muon_goes_on_as_if_it_had_not_been_stopped(tmp_path):
    network = {**CONFIG["network"], "widths": [24, 32]}

    def part(out, steps, **words):
        listening = Listening(mean=-1.0, std=0.8, heard=([],))
        budget = Budget(steps=steps, warmup=5)
        kept = {"batch": 4, "learning_rate": 3e-3, "ema": 0.9, "optimizer_name": "muon", **words}
        train({**CONFIG, "network": network}, listening, flat(), out, budget, **kept)
        return listening.heard[0]

    def stop(report):
        if report.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    whole = part(tmp_path / "whole", 10)
    first = part(tmp_path / "halves", 10, on_step=stop)
    assert [*first, *part(tmp_path / "halves", 10, resume=True)] == whole
    same_weights(tmp_path / "halves", tmp_path / "whole")
    with pytest.raises(PriorError, match="cannot be resumed"):
        part(tmp_path / "whole", 12, resume=True, optimizer_name="adamw")


# Budget


def test_the_rate_rises_stays_and_falls_to_nothing():
    budget = Budget(steps=100, warmup=10, cooldown=0.2)
    rates = [budget.rate(step, 0.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:80] == pytest.approx([1.0] * 71)
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)
    assert budget.progress(50, 1e9) == 0.5


def test_whichever_ends_first_counts():
    budget = Budget(steps=100, minutes=2)
    assert budget.progress(10, 60.0) == 0.5
    assert budget.progress(90, 60.0) == 0.9
    assert Budget(minutes=1, cooldown=0.5, warmup=1).rate(5, 45.0) == pytest.approx(0.5)


@pytest.mark.parametrize("words", [{}, {"steps": 5, "warmup": 0}, {"steps": 5, "cooldown": 0.0}, {"steps": 5, "cooldown": 1.5}])
def test_a_budget_without_end_is_refused(words):
    with pytest.raises(UsageError):
        Budget(**words)


# The command


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "work" / "my photos").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    for index, name in enumerate(("chelsea", "coffee")):
        cv2.imwrite(f"my photos/{index}.png", crop(name, 50, 50, 48))
    return tmp_path / "work"


WORDS = ["--network", "small", "--size", "16", "--batch", "2"]


def test_the_command_makes_a_prior_that_restores(data, capfd):
    assert main(["train", "my photos", "-o", "mine", "--steps", "30", *WORDS, "--gray", "0.5", "--scales", "1,0.5"]) == 0
    captured = capfd.readouterr()
    assert captured.out == "mine\n"
    assert "Traceback" not in captured.err
    restorer = Restorer.from_pretrained("mine", device="cpu", dtype="float32")
    picture = crop("chelsea", 100, 100, 24)
    found = restorer("denoise", picture, sigma=10)
    assert found.image.shape == (24, 24, 3)
    assert np.abs(found.image.astype(int) - picture).mean() < 20
    card = Path("mine/README.md").read_text()
    for said in (
        "restore train 'my photos' -o mine ",
        "--network small",
        "--steps 30",
        "--scales 1,0.5",
        "--gray 0.5",
        "- my photos\n",
        "30 steps of 2 crops of 16 pixels",
        "torch",
    ):
        assert said in card
    assert str(data) not in card
    assert json.loads(Path("mine/config.json").read_text())["network"]["widths"] == [32, 64, 128]

    assert main(["train", "my photos", "-o", "mine", "--steps", "30", *WORDS]) == 3
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == "error: mine holds a training run; --resume continues it, another folder starts a new one"
    assert main(["train", "my photos", "-o", "mine", "--steps", "31", *WORDS, "--resume", "--gray", "0.5"]) == 0
    assert torch.load(f"mine/{STATE}", weights_only=True)["step"] == 31


def test_a_run_with_pnp_states_can_be_resumed(data):
    words = ["--batch", "3", "--size", "16", "--network", "small", "--pnp-states", "0.5"]
    assert main(["train", "my photos", "-o", "mine", "--steps", "2", *words]) == 0
    assert "--pnp-states 0.5" in Path("mine/README.md").read_text()
    assert main(["train", "my photos", "-o", "mine", "--steps", "4", *words, "--resume"]) == 0
    assert Restorer.from_pretrained("mine").prior.channels == 3


def test_metrics_are_a_line_every_hundred_steps(tmp_path):
    run(tmp_path, steps=200, batch=1)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [100, 200]
    assert lines[1]["loss"] < lines[0]["loss"]


REFUSED = {
    "train my -o out": (2, "training needs an end"),
    "train gone -o out --steps 1": (1, "gone: give a picture, a folder of pictures or an .npz/.npy array"),
    "train my -o out --steps 1 --size 4096": (2, "smaller than the crop size 4096"),
    "train my -o out --steps 0": (2, "--steps"),
    "train my -o out --steps 1 --scales 1,big": (2, "is not a list of numbers such as 1,0.5"),
    "train my --steps 1": (2, "--out"),
    "train my -o out --steps 1 --pnp-states 2": (2, "--pnp-states"),
    "train my -o out --steps 1 --pnp-states 0.6 --jpeg-states 0.5": (2, "together at most 1"),
    "train my -o out --steps 1 --family vp --pnp-states 0.3": (2, "--pnp-states is for edm; family vp does not have it"),
    "train my -o out --steps 1 --netwrk small": (2, "--netwrk"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_words_are_one_line(data, capfd, words):
    os.rename("my photos", "my")
    code, said = REFUSED[words]
    assert main(words.split()) == code
    captured = capfd.readouterr()
    assert said in captured.err
    assert [line.startswith("error: ") for line in captured.err.splitlines()] == [True]
    assert not Path("out").exists()


@pytest.mark.slow
def test_two_processes_learn_as_one_does(data):
    def loss(out, *launcher):
        words = ["train", "my photos", "-o", out, "--steps", "100", "--network", "small", "--size", "16", "--batch", "8"]
        done = subprocess.run(
            [sys.executable, *launcher, "-m", "restore", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "1"},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() in ([out], [out, out])
        return json.loads(Path(out, "metrics.jsonl").read_text().splitlines()[-1])["loss"]

    one = loss("one")
    two = loss("two", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    assert two == pytest.approx(one, rel=0.25)
    Restorer.from_pretrained("two", device="cpu")


@pytest.mark.slow
def test_each_process_has_its_own_trajectories(data):
    words = ["train", "my photos", "-o", "out", "--steps", "12", "--network", "small", "--size", "16", "--batch", "4"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "restore"]
    done = subprocess.run(
        [*launcher, *words, "--pnp-states", "0.375"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr  # Some steps have trajectories in one process alone.
    assert Path("out", STATE).exists()
