"""Jobs, one after the other: a bad picture is one error line, and the rest go on."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.cli import console
from restore.cli.jobs import Job, plan
from restore.cli.request import Request
from restore.cli.save import save, save_map, save_sheet
from restore.device.memory import spell
from restore.errors import OperatorError, OutOfMemoryError, PictureError, PriorError, RestoreError, UsageError

if TYPE_CHECKING:
    from restore.restorer import Restorer
    from restore.results.result import Result

NOISY, NOISELESS = 1.5, 1.0  # Largest consistency --strict lets pass: in units of sigma_y, in grey levels.


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: `status` is done, planned, skipped, inconsistent or failed; `plan` what it would take."""

    input: str
    output: str
    task: str
    status: str
    seed: int
    seconds: float = 0.0
    consistency: float | None = None
    answer: str | None = None
    uncertainty: str | None = None
    contact_sheet: str | None = None
    error: str | None = None
    code: int = 0
    plan: dict[str, Any] | None = None


def run(request: Request) -> int:
    """Runs a request to the end; gives the exit code.

    Raises: RestoreError for what stops every picture: words, model, operator.
    """
    jobs, wait = _share(plan(request), request)
    restorer = functools.cache(lambda: _restorer(request))
    codes = []
    for index, job in enumerate(jobs, 1):
        title = job.source.name if len(jobs) == 1 else f"{index}/{len(jobs)} {job.source.name}"
        outcome = _attempt(request, job, restorer, title)
        _print(request, outcome)
        codes.append(outcome.code)
    wait()
    failed = sum(code > 0 for code in codes)
    if failed and len(codes) > 1:
        console.logger.info("%d of %d pictures failed", failed, len(codes))
    return OutOfMemoryError.exit_code if OutOfMemoryError.exit_code in codes else int(failed > 0)


def _share(jobs: list[Job], request: Request) -> tuple[list[Job], Callable[[], None]]:
    """This process's jobs, and what waits for the others'.

    All processes share the same list, so what is done already is found out later.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return jobs, lambda: None
    from restore.device.placement import Placement

    placement = Placement.current(request.device, request.dtype)
    return placement.share(jobs), placement.wait


def _restorer(request: Request) -> Restorer:
    from restore.restorer import Restorer

    return Restorer.from_pretrained(
        request.prior,
        device=request.device,
        dtype=request.dtype,
        tile=request.tile,
        max_memory=request.max_memory,
        compile=request.compile,
    )


def _attempt(request: Request, job: Job, restorer: Callable[[], Restorer], title: str) -> Outcome:
    start = time.perf_counter()

    def outcome(status: str, **more: Any) -> Outcome:
        seconds = round(time.perf_counter() - start, 3)
        return Outcome(str(job.source), str(job.out), request.task.name, status, request.seed, seconds, **more)

    def failure(message: str, code: int) -> Outcome:
        return outcome("failed", error=message, code=code)

    try:
        if request.plan:
            return outcome("planned", plan=_plan(request, job, restorer))
        if _is_done(request, job):
            console.logger.info("%s: skipped, %s exists (--overwrite replaces it)", job.source, job.out)
            return outcome("skipped")
        if request.dry_run:
            return outcome("planned")
        result = _restore(request, job, restorer, title)
    except (UsageError, OperatorError, PriorError):
        raise
    except RestoreError as error:
        message = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
        console.error(message)
        console.trace()
        return failure(message, error.exit_code)
    except MemoryError:
        console.error(f"{job.source}: not enough memory; give a smaller --tile")
        return failure("not enough memory", OutOfMemoryError.exit_code)
    except Exception as error:
        console.bug(error, f"{job.source}: ")
        return failure(f"{type(error).__name__}: {error}", 1)
    return outcome(
        **_agreement(request, job, result),
        answer=result.answer,
        uncertainty=None if job.map is None else str(job.map),
        contact_sheet=None if job.sheet is None else str(job.sheet),
    )


def _is_done(request: Request, job: Job) -> bool:
    """Whether the result exists and may be left as it is. Raises PictureError if it may not, or if the job has an error."""
    if job.error is not None:
        raise job.error
    if request.overwrite:
        return False
    if job.out.exists() and not job.named:
        return True
    for target in job.targets:
        if target.exists():
            raise PictureError(f"{target} exists already; add --overwrite, or name another file")
    return False


def _restore(request: Request, job: Job, restorer: Callable[[], Restorer], title: str) -> Result:
    from restore import images

    picture = images.read(job.source)
    for target in job.targets:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(f"{target.parent}: no folder can be made here ({error.strerror}); name another place") from None
    images.check_target(job.out, picture, overwrite=request.overwrite)
    with console.progress(title) as show:
        for event in restorer().stream(request.task, picture, **_keywords(request, job)):
            show(event.step, event.steps)
    assert event.result is not None
    result = event.result
    if request.prior_hash not in (None, result.record["prior_hash"]):
        console.logger.warning("%s: prior %s has changed since the record was made", job.source, request.prior)
    record = {**result.record, "input": _input(job.source), "request": _repeatable(request, result)} if request.record else None
    save(job.out, result.picture, record, metadata=request.metadata, overwrite=request.overwrite)
    if job.map is not None and result.std is not None:
        save_map(job.map, result)
    if job.sheet is not None:
        save_sheet(job.sheet, result)
    return result


def _plan(request: Request, job: Job, restorer: Callable[[], Restorer]) -> dict[str, Any]:
    """What a picture would take, reading and writing it included. Raises PictureError if it cannot be read."""
    from restore import images

    if job.error is not None:
        raise job.error
    before = time.perf_counter()
    picture = images.read(job.source)
    reading = time.perf_counter() - before
    found = restorer().plan(request.task, picture, **_keywords(request, job))
    writing = images.seconds_to_write(job.out, picture, found.width * found.height)
    return {**asdict(found), "seconds": found.seconds + reading + writing}


def _keywords(request: Request, job: Job) -> dict[str, Any]:
    """What `Restorer.stream` is told of a job."""
    names = ("seed", "steps", "guidance", "samples", "answer", "quality", "fidelity", "early_exit")
    told = {name: getattr(request, name) for name in names}
    return {**told, "name": request.name or job.relative.as_posix(), **job.options}


def _repeatable(request: Request, result: Result) -> dict[str, Any]:
    """What was chosen for this machine is asked for by name when the result is made again: windows that memory made smaller,
    arithmetic, compiled code."""
    made = result.record
    return {
        **request.repeatable(),
        "tile": made["tile"],
        "dtype": made["dtype"],
        "compile": "on" if made["compiled"] else "off",
    }


def _input(path: Path) -> dict[str, str]:
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _agreement(request: Request, job: Job, result: Result) -> dict[str, Any]:
    """Status, code and error of a finished picture: how well it agrees with what was measured."""
    noiseless = result.record.get("sigma_y") == 0
    limit, unit = (NOISELESS, "grey levels") if noiseless else (NOISY, "times the noise")
    found = result.consistency
    console.logger.debug("%s (%s): %.2f %s away from what was measured", job.out, result.answer, found, unit)
    consistency = None if math.isnan(found) else found
    if not request.strict or consistency is None or consistency <= limit:
        return {"status": "done", "consistency": consistency}
    message = f"{job.out} does not agree with its input: {found:.2f} {unit} away, --strict allows {limit:g}"
    console.error(message)
    return {"status": "inconsistent", "consistency": consistency, "error": message, "code": 1}


def _print(request: Request, outcome: Outcome) -> None:
    """Results alone: a path a line, or a JSON object for every picture."""
    if request.json:
        left_out = {"code"} if request.plan else {"code", "plan"}
        told = {name: value for name, value in asdict(outcome).items() if name not in left_out}
        print(json.dumps(told), flush=True)
    elif outcome.plan is not None:
        print(f"{outcome.input}: {_spelt(outcome.plan)}", flush=True)
    elif outcome.status in ("done", "planned"):
        print(outcome.output, flush=True)


def _spelt(plan: dict[str, Any]) -> str:
    """A plan in words."""
    windows = " and ".join(f"{count} of {width}x{height}" for count, width, height in plan["windows"]) or "none"
    seconds = plan["seconds"]
    length = f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
    return (
        f"{plan['width']}x{plan['height']} pixels; windows: {windows}; transitions: {plan['transitions']}; "
        f"evaluations: {plan['evaluations']}; memory: {spell(plan['picture'])} for the picture, {spell(plan['window'])} for "
        f"windows, {spell(plan['peak'])} in all; time: about {length}"
    )
