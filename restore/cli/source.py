"""An input of the command line: its bytes, read once, and its frames."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from restore.cli.inputs import STREAM
from restore.cli.jobs import Job
from restore.errors import PictureError, UsageError
from restore.images.formats import SUFFIXES
from restore.options.run_options import RunOptions

if TYPE_CHECKING:
    from restore.images import Picture
    from restore.images.frames import Frames


@dataclass(frozen=True)
class Source:
    """An input file. A file that changes meanwhile changes neither the picture nor the hash of what it was made from.

    Attributes:
        name: what messages call it.
        sha256: of the bytes.
        pages: to restore, from 1 on; (None,) for the only picture of a file.
    """

    path: Path
    name: str
    sha256: str
    pages: tuple[int | None, ...]
    data: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path, options: RunOptions) -> Source:
        """Read a file or standard input. Raises PictureError if that is not possible."""
        from restore.images.file_bytes import file_bytes

        name = "standard input" if path == STREAM else str(path)
        data = sys.stdin.buffer.read() if path == STREAM else file_bytes(path)
        pages: tuple[int | None, ...] = (options.page,)
        if options.frames == "all":
            from restore.images.frames import count

            found = count(data, name)
            pages = tuple(range(1, found + 1)) if found > 1 else (None,)
        return cls(path, name, hashlib.sha256(data).hexdigest(), pages, data)

    def picture(self, page: int | None) -> Picture:
        """One frame as a picture. Raises PictureError if it cannot be read."""
        from restore import images

        return images.decode(self.data, self.name, page=page)

    def without_data(self) -> Source:
        """The same without the bytes, for a file of one picture that has been read."""
        return self if len(self.pages) > 1 else replace(self, data=b"")

    def frames(self, job: Job, options: RunOptions) -> Frames | None:
        """The file that the restored frames become; None for a file of one picture.

        Raises: UsageError if the format that was asked for holds no frames; PictureError if the input's own does not.
        """
        if len(self.pages) == 1:
            return None
        from restore.images.frames import Frames

        try:
            return Frames(job.out, self.data, self.name, metadata=options.metadata)
        except PictureError as error:
            if job.named or options.format is not None:
                raise UsageError(f"{self.name} has {len(self.pages)} frames: {error}") from None
            raise


def check_frames(jobs: Sequence[Job], options: RunOptions) -> None:
    """Raises UsageError for what --frames all cannot be combined with."""
    if options.frames != "all":
        return
    if options.page is not None:
        raise UsageError("--frames all restores every page, --page one; leave one of them out")
    if options.uncertainty or options.contact_sheet or options.write_mask:
        raise UsageError("--uncertainty, --contact-sheet and --write-mask show one picture; leave them out with --frames all")
    if any(job.out == STREAM for job in jobs):
        raise UsageError("--frames all writes no frames to standard output; name a file with -o")
    if options.format is not None:
        from restore.images.frames import FORMATS

        if SUFFIXES[f".{options.format}"] not in FORMATS:
            raise UsageError(f"--format {options.format} holds one frame; with --frames all give gif, webp, png, avif or tif")
