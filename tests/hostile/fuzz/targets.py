"""What is fuzzed: picture files, configs of models, records in pictures; and the inputs to start from."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]


def reading(data: bytes) -> None:
    """A file is read, with all its frames, and written again."""
    from restore import images
    from restore.errors import PictureError
    from restore.images import frames, limited
    from restore.images.reading import decode

    with limited(1_000_000, 200_000_000), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            picture = decode(data, "a")
        except PictureError:
            for page in range(1, 1 + min(5, frames.count(data, "a"))):
                picture = decode(data, "a", page=page)
        images.to_bytes(Path("a.png"), picture)
        images.to_bytes(Path("a.tif"), picture)


def configs(data: bytes) -> None:
    """A config.json beside whole weights of a small model."""
    from restore.priors.loaders import folder

    (_model() / "config.json").write_bytes(edited(data, next(config_seeds())[1:]))
    folder.load(_model())


def records(data: bytes) -> None:
    """The record in a result, up to where it would be run again."""
    from restore.cli import main

    info, path = PngInfo(), _workplace() / "result.png"
    info.add_text("restore", edited(data, next(record_seeds())[1:]).decode("latin-1"))
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    main(["rerun", str(path), "-o", str(path.with_name("again.png")), "--overwrite", "-q"])


def edited(data: bytes, whole: bytes) -> bytes:
    """The bytes themselves; or if the first one is odd, a whole JSON file with fields that the others choose and replace.

    Most changes of bytes are no JSON, and nothing behind the parser would see them.
    """
    import atheris

    if not data or data[0] % 2 == 0:
        return data[1:]
    chosen, content = atheris.FuzzedDataProvider(data[1:]), json.loads(whole)
    for _ in range(chosen.ConsumeIntInRange(1, 3)):
        place = content
        while True:
            names = sorted(place)
            name = names[chosen.ConsumeIntInRange(0, len(names) - 1)]
            if not (isinstance(place[name], dict) and place[name] and chosen.ConsumeBool()):
                break
            place = place[name]
        place[name] = _value(chosen)
    return json.dumps(content).encode()


def _value(chosen: Any, depth: int = 0) -> Any:
    kind = chosen.ConsumeIntInRange(0, 6 if depth < 3 else 4)
    if kind == 5:
        return [_value(chosen, depth + 1) for _ in range(chosen.ConsumeIntInRange(0, 3))]
    if kind == 6:
        return {chosen.ConsumeUnicode(8): _value(chosen, depth + 1) for _ in range(chosen.ConsumeIntInRange(0, 3))}
    simple = (
        lambda: None,
        chosen.ConsumeBool,
        lambda: chosen.ConsumeInt(9),
        chosen.ConsumeFloat,
        lambda: chosen.ConsumeUnicode(20),
    )
    return simple[kind]()


def _alarmed(error: Exception, of: str = "") -> None:
    raise AssertionError(f"{of}{error!r}") from error


@cache
def _workplace() -> Path:
    """A folder with an input. What would be called a bug is raised, and runs end where they would begin."""
    from restore.cli import batch, console
    from restore.cli.jobs import jobs_of
    from restore.plugins.calls import build_options

    def checked(self: batch.Batch, inputs: Sequence[Path], own: Mapping[str, object]) -> int:
        for job in jobs_of(self.task, inputs, own, self.options):
            build_options(self.task, **job.options)
        return 0

    console.bug = _alarmed
    batch.Batch.run = checked  # type: ignore[method-assign]
    place = Path(tempfile.mkdtemp(prefix="fuzz-records-"))
    Image.new("RGB", (8, 8)).save(place / "in.png")
    return place


@cache
def _model() -> Path:
    import torch
    from toys import OWN

    from restore.priors.loaders import folder

    torch.manual_seed(0)
    place = Path(tempfile.mkdtemp(prefix="fuzz-model-"))
    folder.save(place, OWN, folder.build(OWN), "")
    return place


def picture_seeds() -> Iterator[bytes]:
    import corpus

    yield from (data for _, data, _ in corpus.whole())
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        frames = [Image.new("RGB", (9, 7), (shade, 0, 99)) for shade in (0, 90, 200)]
        file = BytesIO()
        frames[0].save(file, form, save_all=True, append_images=frames[1:])
        yield file.getvalue()


def config_seeds() -> Iterator[bytes]:
    from toys import OWN

    for family in ("edm", "ve", "vp", "flow"):
        yield b"\0" + json.dumps({**OWN, "family": family}).encode()


def record_seeds() -> Iterator[bytes]:
    data = (_workplace() / "in.png").read_bytes()
    given = {"path": "in.png", "sha256": hashlib.sha256(data).hexdigest()}
    for task, options in (("denoise", {"sigma": 5.0}), ("inpaint", {"mask": "in.png"}), ("deblur", {"kernel": "gaussian:2"})):
        request = {"prior": "photo", "seed": 0, "steps": 2, "guidance": None, "samples": 1, "frames": "one"}
        record = {"task": task, "options": options, "request": request, "prior_hash": "0", "input": given}
        yield b"\0" + json.dumps(record).encode()


TARGETS: dict[str, Callable[[bytes], None]] = {"reading": reading, "configs": configs, "records": records}
SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {"reading": picture_seeds, "configs": config_seeds, "records": record_seeds}
