"""The training loop: any objective, on one or more processes (Accelerate), exactly resumable."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, get_available_trackers
from torch import Tensor, nn

from restore.device.dtype import multiplies_bfloat16
from restore.errors import PriorError, UsageError
from restore.files import clear_parts
from restore.objectives import Objective
from restore.priors.loaders import folder as model_folder
from restore.priors.prior import Prior
from restore.training import optimizers
from restore.training.budget import Budget, Report
from restore.training.interrupt import Interrupt
from restore.training.kinds import PRIORS, Batches, Kind
from restore.training.labels import Classed
from restore.training.net2net import transfer_weights
from restore.training.state import (
    METRICS,
    STATE,
    add_metrics,
    check_same_model,
    load_state,
    make_folder,
    not_written,
    save_state,
    truncate_metrics,
    warned,
)
from restore.wording import called

logger = logging.getLogger("restore")

LOSS_SYNC_INTERVAL = {"cpu": 1}
"""Steps between reads of the loss, by device type; 10 for others. A read synchronizes the device, which then idles until the
next step is queued."""


def train(
    config: dict[str, Any],
    objective: Objective,
    crops: Batches,
    out: Path,
    budget: Budget,
    *,
    kind: Kind = PRIORS,
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
    on_checkpoint: Callable[[Any, Report, Sequence[float]], None] = lambda prior, report, losses: None,
) -> Report:
    """Train a prior, or what else `kind` says, and write a folder with the exponential moving average (EMA) of its weights.

    Ctrl-C, SIGTERM and SIGHUP end the run after the current step and save it; a second Ctrl-C stops at once. A checkpoint that
    cannot be written causes a warning, and the run goes on; the last one is an error.

    Args:
        config: model config, as `kind` takes it; for priors as `restore.priors.loaders.folder.build` does.
        crops: what a step learns from.
        out: model folder; also holds `training.pt` (the state to resume from) and `metrics.jsonl`.
        kind: how the model is built and written.
        batch: pictures per step, over all processes.
        learning_rate: the maximum of the schedule in `budget`.
        ema: decay of the EMA; it is smaller in the first steps, so that the initial weights are soon forgotten.
        seed: of initial weights, crops and noise.
        dtype: what the network computes in; weights stay float32.
        compile_network: compile the network with torch.compile.
        resume: continue the run in `out`.
        initial: a prior whose weights to start from; with the same network, one with fewer blocks, or that of a cascade.
        save_every: seconds between checkpoints.
        accumulate: number of micro-batches per step, to save memory (gradient accumulation).
        optimizer_name: "adamw" or "muon" (see restore/training/optimizers.py).
        tracker: a tracker of Accelerate, or its name ("tensorboard"); it gets loss and learning rate every tenth step.
        card: makes the text of the model card.
        on_step: called after every step.
        on_checkpoint: called in the main process after each checkpoint with the EMA model, the report, and the loss of every
            step.

    Returns: the report of the last step, with the signal that ended the run.

    Raises: PriorError if `out` holds a run and `resume` is not set, a run with other options, or a model without a run;
    UsageError if processes and micro-batches do not divide the batch, or the tracker is unknown; RestoreError if `out` cannot
    be written.
    """
    accelerator = Accelerator(
        gradient_accumulation_steps=accumulate, log_with=_check_tracker(tracker), project_dir=None if tracker is None else out
    )
    if dtype is torch.bfloat16 and not multiplies_bfloat16(accelerator.device):
        logger.warning("this device has no bfloat16 in hardware: training in bfloat16 takes many times as long as in float32")
    torch.manual_seed(seed)  # For initial weights only: crops and noise depend on (seed, step, process).
    prior = kind.build(config, dtype).to(accelerator.device)
    if initial is not None:
        transfer_weights(initial, prior)
    average = kind.build(config, dtype).to(accelerator.device)
    average.load_state_dict(prior.state_dict())
    optimizer = optimizers.make(optimizer_name, prior, learning_rate)
    if batch % (accelerator.num_processes * accumulate):
        parts = f"{accelerator.num_processes} processes" + (f" times {accumulate} micro-batches" if accumulate > 1 else "")
        raise UsageError(f"a batch of {batch} cannot be divided among {parts}; give a multiple")
    step, earlier, smooth = 0, 0.0, float("nan")
    losses: list[float] = []
    if (out / STATE).exists():
        if not resume:
            raise PriorError(
                f"{out} holds a training run; {called('resume', True)} continues it, another folder starts a new one"
            )
        check_same_model(out, config)
        step, earlier, smooth, losses = load_state(out / STATE, config, prior, average, optimizer)
        if accelerator.is_main_process:
            truncate_metrics(out, step)
    elif (out / model_folder.CONFIG).exists():
        raise PriorError(f"{out} holds a model but no training run to resume; name another folder")
    make_folder(out)
    if accelerator.is_main_process:
        clear_parts(out)
    # All batches have the same shape, so benchmarking the convolution algorithms once pays.
    torch.backends.cudnn.benchmark = True
    if compile_network:
        network = prior.get_submodule("network")
        network.compile()  # In place, so that the names in the state dict do not change.
    classed = config.get("classes") is not None
    learner = Classed(prior, objective.model_for) if classed else objective.model_for(prior)
    model, optimizer = accelerator.prepare(learner, optimizer)
    share = batch // accelerator.num_processes
    if tracker is not None:
        accelerator.init_trackers("training")

    def checkpoint(report: Report) -> None:
        if not accelerator.is_main_process:
            return
        state = {"prior": prior.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
        progress = {"step": report.step, "seconds": report.seconds, "loss": report.loss, "losses": torch.tensor(losses)}
        # The state first: with it alone a run can be resumed, with the model alone it cannot.
        save_state(out / STATE, {**state, **progress, "config": config})
        kind.save(out, config, average, card(report))
        on_checkpoint(average, report, losses)

    pending: list[Tensor] = []
    signalled = False  # Whether some process got a signal.
    sync_interval = LOSS_SYNC_INTERVAL.get(accelerator.device.type, 10)

    def read(smooth: float) -> float:
        """Move the pending losses to `losses`; returns the running mean including them."""
        nonlocal signalled
        for value, stop in torch.stack(pending).tolist() if pending else ():
            losses.append(value)
            smooth = value if math.isnan(smooth) else 0.99 * smooth + 0.01 * value
            signalled |= stop > 0
        pending.clear()
        return smooth

    started, saved = time.monotonic(), time.monotonic()
    report, stopped = Report(step, smooth, earlier, budget.progress(step, earlier)), False
    alone = accelerator.num_processes == 1
    with Interrupt() as interrupt:
        while report.progress < 1 and not (interrupt.number if alone else stopped):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * budget.rate(step, report.seconds)
            drawn = share, seed, step, accelerator.process_index, accelerator.device
            clean, told = crops.batch(*drawn).chunk(accumulate), crops.classes(*drawn) if classed else None
            labels = [None] * len(clean) if told is None else told.chunk(accumulate)
            generator = torch.Generator().manual_seed((seed * 1_000_003 + step) * 64 + accelerator.process_index)
            total = torch.zeros((), device=accelerator.device)
            for part, label in zip(clean, labels, strict=True):
                with accelerator.accumulate(model):
                    asked = model if label is None else partial(model, class_labels=label)
                    loss = objective.loss(asked, part, generator)
                    accelerator.backward(loss)
                    if accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(prior.parameters(), 1.0)
                    optimizer.step()
                    optimizer.zero_grad()
                total += loss.detach() / accumulate
            step += 1
            _update_average(average, prior, min(ema, step / (step + 10)))
            # Processes get a signal in different steps, and would wait for each other: all stop where all know of it.
            heard = torch.stack([total, torch.full_like(total, float(interrupt.number > 0))])
            pending.append(heard if alone else accelerator.reduce(heard, "mean"))
            if step % sync_interval == 0:
                smooth = read(smooth)
                stopped = signalled
            seconds = earlier + time.monotonic() - started
            report = Report(step, smooth, seconds, budget.progress(step, seconds))
            on_step(report)
            if step % 10 == 0 and tracker is not None:
                accelerator.log({"loss": losses[-1], "rate": optimizer.param_groups[0]["lr"]}, step=step)
            if step % 100 == 0 and accelerator.is_main_process:
                with warned(out / METRICS, step):
                    add_metrics(out, {"step": step, "loss": round(smooth, 6), "seconds": round(seconds, 1)})
            if time.monotonic() - saved > save_every:
                smooth = read(smooth)
                with warned(out, step):
                    checkpoint(replace(report, loss=smooth))
                saved = time.monotonic()
        smooth = read(smooth)
        cause = interrupt.number or (signal.SIGTERM if stopped else 0)  # 0 where only another process got it.
        report = replace(report, loss=smooth, stopped_by=int(cause) if report.progress < 1 else 0)
        try:
            checkpoint(report)
        except OSError as error:
            raise not_written(out, error) from None
    if report.stopped_by and accelerator.is_main_process:
        logger.warning("interrupted at step %d; saved, %s continues", step, called("resume", True))
    accelerator.end_training()
    return report


def _check_tracker(tracker: str | GeneralTracker | None) -> str | GeneralTracker | None:
    if isinstance(tracker, str) and tracker not in {str(kind) for kind in get_available_trackers()}:
        raise UsageError(f"tracker {tracker!r} is not installed here; pip install 'diffusion-restore[{tracker}]'")
    return tracker


@torch.no_grad()
def _update_average(average: Prior, prior: nn.Module, decay: float) -> None:
    kept: list[Tensor] = list(average.parameters())
    new: list[Tensor] = list(prior.parameters())
    torch._foreach_lerp_(kept, new, 1 - decay)
