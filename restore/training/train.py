"""The training loop: one objective, one network, any number of processes (Accelerate), resumable to the step."""

from __future__ import annotations

import json
import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, get_available_trackers
from torch import Tensor, nn

from restore.device.dtype import multiplies_bfloat16
from restore.errors import PriorError, UsageError
from restore.files import write_atomically
from restore.priors.loaders import folder as model_folder
from restore.priors.prior import Prior
from restore.training import optimizers
from restore.training.data import Crops
from restore.training.net2net import start_from
from restore.training.objectives import Objective
from restore.training.state import METRICS, STATE, keep_metrics, resumed, same_kind

logger = logging.getLogger("restore")

UNREAD = {"cpu": 1}
"""Steps whose losses are looked at together, 10 where a device is not named: a look waits for the device, which then stands
idle until the next step is on its way."""


@dataclass(frozen=True)
class Budget:
    """How long to train, whichever ends first, and how the learning rate runs meanwhile.

    The rate rises over `warmup` steps, stays, and falls linearly to nothing over the last `cooldown` share of the budget. A
    finished run can be resumed with a larger budget: it goes back to the full rate and cools down again at the new end.
    """

    steps: int | None = None
    minutes: float | None = None
    warmup: int = 500
    cooldown: float = 0.3

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise UsageError("training needs an end: steps or minutes")
        if self.warmup < 1 or not 0 < self.cooldown <= 1:
            raise UsageError(f"warmup takes 1 or more steps and cooldown (0, 1], got {self.warmup} and {self.cooldown}")

    def progress(self, step: int, seconds: float) -> float:
        parts = [step / self.steps if self.steps else 0.0, seconds / (60 * self.minutes) if self.minutes else 0.0]
        return max(parts)

    def rate(self, step: int, seconds: float) -> float:
        """Share of the full learning rate, in [0, 1]."""
        return min((step + 1) / self.warmup, (1 - self.progress(step, seconds)) / self.cooldown, 1.0)


@dataclass(frozen=True)
class Report:
    step: int
    loss: float
    seconds: float
    progress: float


def train(
    config: dict[str, Any],
    objective: Objective,
    crops: Crops,
    out: Path,
    budget: Budget,
    *,
    batch: int = 16,
    learning_rate: float = 5e-4,
    ema: float = 0.9995,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    compile_network: bool = False,
    resume: bool = False,
    initial: Prior | None = None,
    save_every: float = 300.0,
    accumulate: int = 1,
    optimizer_name: str = "adamw",
    tracker: str | GeneralTracker | None = None,
    card: Callable[[Report], str] = lambda report: "",
    on_step: Callable[[Report], None] = lambda report: None,
    on_checkpoint: Callable[[Prior, Report, Sequence[float]], None] = lambda prior, report, losses: None,
) -> Report:
    """Trains a prior and writes a model folder with the averaged weights.

    Args:
        config: what `restore.priors.loaders.folder.build` takes.
        out: model folder; also holds `training.pt` (everything needed to resume) and `metrics.jsonl`.
        batch: pictures a step over all processes.
        ema: decay of the weight average; early steps average over less.
        initial: a prior to start from, instead of random weights; of the same network, or of one with fewer blocks.
        save_every: seconds between checkpoints.
        optimizer_name: "adamw" or "muon" (restore/training/optimizers.py).
        accumulate: parts that each process's share of a batch goes through in, one after the other, to save memory.
        tracker: a tracker of Accelerate, by name ("tensorboard") or made, that is told loss and rate every tenth step.
        card: text of the model's card.
        on_step: called after every step.
        on_checkpoint: called in the main process after each checkpoint with the averaged prior, the report and the loss of
            every step from the first.

    Ctrl-C ends the run after the step, saved. Raises: PriorError if `out` holds a training run and `resume` is not set, another
    model, or a run that does not fit; UsageError for a batch that the processes cannot share, or an unknown tracker.
    """
    accelerator = Accelerator(
        gradient_accumulation_steps=accumulate, log_with=_known(tracker), project_dir=None if tracker is None else out
    )
    if dtype is torch.bfloat16 and not multiplies_bfloat16(accelerator.device):
        logger.warning("this device has no bfloat16 in hardware: a run in it takes many times as long as in float32")
    torch.manual_seed(seed)  # Initial weights only: crops and noise are drawn from (seed, step, process).
    prior = model_folder.channels_last(model_folder.build(config, dtype=dtype).to(accelerator.device))
    if initial is not None:
        start_from(initial, prior)
    average = model_folder.build(config, dtype=dtype).to(accelerator.device)
    average.load_state_dict(prior.state_dict())
    optimizer = optimizers.make(optimizer_name, prior, learning_rate)
    if batch % (accelerator.num_processes * accumulate):
        shares = f"{accelerator.num_processes} processes" + (f" in {accumulate} parts" if accumulate > 1 else "")
        raise UsageError(f"a batch of {batch} cannot be shared by {shares}; give a multiple")
    step, earlier, smooth = 0, 0.0, float("nan")
    losses: list[float] = []
    if (out / STATE).exists():
        if not resume:
            raise PriorError(f"{out} holds a training run; --resume continues it, another folder starts a new one")
        same_kind(out, config)
        step, earlier, smooth, losses = resumed(out / STATE, prior, average, optimizer)
        if accelerator.is_main_process:
            keep_metrics(out, step)
    elif (out / model_folder.CONFIG).exists():
        raise PriorError(f"{out} holds a model and no training run to continue; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    # All batches are of one size: the GPU's libraries may try which way to convolve is the fastest.
    torch.backends.cudnn.benchmark = True
    if compile_network:
        network = prior.get_submodule("network")
        network.compile()  # In place, so that names in the state stay the network's own.
    model, optimizer = accelerator.prepare(objective.asks(prior), optimizer)
    share = batch // accelerator.num_processes
    if tracker is not None:
        accelerator.init_trackers("training")

    def checkpoint(report: Report) -> None:
        if not accelerator.is_main_process:
            return
        model_folder.save(out, config, average, card(report))
        kept = {"prior": prior.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
        reached = {"step": report.step, "seconds": report.seconds, "loss": report.loss, "losses": torch.tensor(losses)}
        write_atomically(out / STATE, lambda path: torch.save({**kept, **reached}, path))
        on_checkpoint(average, report, losses)

    unread: list[Tensor] = []
    unread_most = UNREAD.get(accelerator.device.type, 10)

    def read(smooth: float) -> float:
        """Takes over the losses not yet looked at; the running loss with them."""
        for value in torch.stack(unread).tolist() if unread else ():
            losses.append(value)
            smooth = value if math.isnan(smooth) else 0.99 * smooth + 0.01 * value
        unread.clear()
        return smooth

    started, saved = time.monotonic(), time.monotonic()
    report = Report(step, smooth, earlier, budget.progress(step, earlier))
    with _Interrupt() as interrupt:
        while report.progress < 1 and not interrupt.asked:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * budget.rate(step, report.seconds)
            clean = crops.batch(share, seed, step, accelerator.process_index, accelerator.device)
            generator = torch.Generator().manual_seed((seed * 1_000_003 + step) * 64 + accelerator.process_index)
            total = torch.zeros((), device=accelerator.device)
            for part in clean.chunk(accumulate):
                with accelerator.accumulate(model):
                    loss = objective.loss(model, part, generator)
                    accelerator.backward(loss)
                    if accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(prior.parameters(), 1.0)
                    optimizer.step()
                    optimizer.zero_grad()
                total += loss.detach() / accumulate
            step += 1
            _average(average, prior, min(ema, step / (step + 10)))
            unread.append(accelerator.reduce(total, "mean"))
            if step % unread_most == 0:
                smooth = read(smooth)
            seconds = earlier + time.monotonic() - started
            report = Report(step, smooth, seconds, budget.progress(step, seconds))
            on_step(report)
            if step % 10 == 0 and tracker is not None:
                accelerator.log({"loss": losses[-1], "rate": optimizer.param_groups[0]["lr"]}, step=step)
            if step % 100 == 0 and accelerator.is_main_process:
                with (out / METRICS).open("a") as lines:
                    lines.write(json.dumps({"step": step, "loss": round(smooth, 6), "seconds": round(seconds, 1)}) + "\n")
            if time.monotonic() - saved > save_every:
                smooth = read(smooth)
                checkpoint(replace(report, loss=smooth))
                saved = time.monotonic()
        report = replace(report, loss=read(smooth))
        checkpoint(report)
    if interrupt.asked:
        logger.warning("interrupted at step %d; saved, --resume continues", step)
    accelerator.end_training()
    return report


def _known(tracker: str | GeneralTracker | None) -> str | GeneralTracker | None:
    if isinstance(tracker, str) and tracker not in {str(kind) for kind in get_available_trackers()}:
        raise UsageError(f"tracker {tracker!r} is not installed here; pip install 'diffusion-restore[{tracker}]'")
    return tracker


class _Interrupt:
    """Ctrl-C as a wish to stop after the step, so that what is saved is whole; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> _Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._earlier = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._earlier)

    def _note(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@torch.no_grad()
def _average(average: Prior, prior: nn.Module, decay: float) -> None:
    kept: list[Tensor] = list(average.parameters())
    new: list[Tensor] = list(prior.parameters())
    torch._foreach_lerp_(kept, new, 1 - decay)
