"""The files of a job: whether they are there, where they go, and in which order they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from restore.cli import console
from restore.cli.inputs import STREAM
from restore.cli.jobs import Job
from restore.cli.made import Made
from restore.cli.save import is_companion, save, save_map, save_mask, save_sheet, save_to_stream
from restore.errors import PictureError
from restore.files import clear_parts

if TYPE_CHECKING:
    from restore.images.frames import Frames
    from restore.options.run_options import RunOptions
    from restore.results.result import Result

NOISY, NOISELESS = 1.5, 1.0  # The largest consistency that --strict allows: in units of sigma_y, and in grey levels.


def is_done(job: Job, *, overwrite: bool) -> bool:
    """Whether the result and all its companions exist and are skipped.

    The picture is written last, so companions without it are those of a run that was stopped, and are replaced.

    Raises: PictureError if a named file exists, a companion is missing, or the job has an error.
    """
    if job.error is not None:
        raise job.error
    if overwrite or job.out == STREAM:
        return False
    for target in job.targets:
        if target.exists() and (job.named if target == job.out else not is_companion(target)):
            raise PictureError(f"{target} exists already; add --overwrite, or name another file")
    if not job.out.exists():
        return False
    missing = [str(target) for target in job.targets if not target.exists()]
    if missing:
        raise PictureError(f"{job.out} exists already, without {', '.join(missing)}; --overwrite makes all of them")
    return True


def make_folders(job: Job) -> None:
    """Make the folders of a job's files, and clear them of what dead processes left. Raises PictureError if that fails."""
    for target in job.targets:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            place = target.parent
            raise PictureError(f"{place}: no folder can be made here ({error.strerror}); name another place") from None
        clear_parts(target.parent)


def save_all(
    job: Job, result: Result, record: dict[str, Any] | None, options: RunOptions, frames: Frames | None = None
) -> None:
    """Write all files of a job, the picture last: it counts as done when it is there.

    Raises: PictureError if one cannot be written, or the task has no mask to write.
    """
    if job.map is not None and result.std is not None:
        save_map(job.map, result)
    if job.sheet is not None:
        save_sheet(job.sheet, result)
    if job.mask is not None:
        if result.mask is None:
            raise PictureError(f"{result.record['task']} fills nothing that a mask could show; leave --write-mask out")
        save_mask(job.mask, result.mask)
    if job.out == STREAM:
        save_to_stream(result, options)
        return
    save(job.out, result, record, options, frames)


def agreement(job: Job, made: Sequence[Made], *, strict: bool) -> dict[str, Any]:
    """Fields of the `Outcome` of a finished picture: its consistency, and with --strict the error if that is too large.

    Of several frames, the largest consistency.
    """
    worst = max(made, key=lambda one: -math.inf if math.isnan(one.consistency) else one.consistency)
    limit, unit = (NOISELESS, "grey levels") if worst.record.get("sigma_y") == 0 else (NOISY, "times the noise")
    found = worst.consistency
    console.logger.debug("%s (%s): consistency %.2f %s", job.out, worst.record["answer"], found, unit)
    consistency = None if math.isnan(found) else found
    if not strict or consistency is None or consistency <= limit:
        return {"status": "unchanged" if all(one.is_same for one in made) else "done", "consistency": consistency}
    message = f"{job.out} does not agree with its input: {found:.2f} {unit} away, --strict allows {limit:g}"
    console.error(message)
    return {"status": "inconsistent", "consistency": consistency, "error": message, "code": 1}
