"""The options of every task. Flags, keywords, schema, reserved names and records are derived from them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from restore.guidance.guidance import Guidance
    from restore.sampling.samplers import Sampler
else:
    Guidance = Sampler = object  # The command line reads this module without loading torch.

Scope = Literal["call", "prior", "command"]


def _about(scope: Scope, help: str, **more: Any) -> dict[str, Any]:
    """The metadata of a field of `RunOptions`.

    Args:
        scope: "call" for one call, "prior" for the prior and its device, "command" for the command's files and messages.
        help: one line for `restore TASK --help`.
        more: `min`, `max`, `above`, `choices` as for a task's options; `metavar`; `short`, a one-letter flag; `count`, whether
            the flag can be repeated; `hidden`, whether it has no flag; `recorded`, whether a record keeps it for a rerun.
    """
    return {"scope": scope, "help": help, **more}


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of every task. A new option needs a field here and nothing else.

    Fields of scope "call" are keywords of `Restorer.stream` and `restore.solve`, those of scope "prior" of `Restorer`. All but
    hidden ones are flags of the command (`max_memory` is `--max-memory`). The help text of each field explains it.
    """

    # One call.
    seed: int = field(default=0, metadata=_about("call", "seed of all noise", metavar="N"))
    name: str = field(default="", metadata=_about("call", "the picture's relative path; its noise depends on it", hidden=True))
    quality: Literal["fast", "balanced", "best"] = field(
        default="balanced", metadata=_about("call", "trade-off between time and quality", recorded=True)
    )
    steps: int | None = field(
        default=None,
        metadata=_about("call", "number of transitions; by default set by the quality", min=1, metavar="N", recorded=True),
    )
    guidance: str | Guidance | None = field(
        default=None,
        metadata=_about(
            "call", "guidance method; the task's own by default: {guidances}", metavar="NAME[:key=value,...]", recorded=True
        ),
    )
    sampler: str | Sampler | None = field(
        default=None,
        metadata=_about(
            "call", "sampler; the method's own by default: {samplers}", metavar="NAME[:key=value,...]", recorded=True
        ),
    )
    samples: int = field(
        default=1, metadata=_about("call", "posterior samples to draw", min=1, max=10_000, metavar="N", recorded=True)
    )
    fidelity: float | None = field(
        default=None,
        metadata=_about(
            "call",
            "1: lowest error, smooth where uncertain; 0: one posterior sample, sharp; between: a blend of both",
            min=0,
            max=1,
            metavar="F",
            recorded=True,
        ),
    )
    adapt: str | int | None = field(
        default=None,
        metadata=_about(
            "call",
            "first tune the prior on this picture, for N steps or a time such as 2min; for pictures unlike photographs",
            metavar="N|TIME",
            recorded=True,
        ),
    )

    # What a conditional prior is told.
    prompt: str | None = field(
        default=None, metadata=_about("call", "what the picture shows, for priors with text", metavar="TEXT", recorded=True)
    )
    negative_prompt: str | None = field(
        default=None, metadata=_about("call", "what it does not show", metavar="TEXT", recorded=True)
    )
    guidance_scale: float | None = field(
        default=None,
        metadata=_about(
            "call",
            "how strictly to follow the prompt or label, 1 for not at all beyond it; by default the prior's own",
            min=0,
            max=100,
            metavar="W",
            recorded=True,
        ),
    )
    label: str | None = field(
        default=None, metadata=_about("call", "class of the picture, for priors with classes", metavar="CLASS", recorded=True)
    )

    # The prior, and where it runs.
    prior: str = field(
        default="photo", metadata=_about("prior", "a bundled model, a model folder, a Hub id, or SCHEME:ID", recorded=True)
    )
    device: str | None = field(
        default=None, metadata=_about("prior", "cpu, cuda, cuda:1, mps; by default the fastest found", metavar="NAME")
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = field(
        default=None, metadata=_about("prior", "dtype of the network; by default chosen by the hardware")
    )
    tile: int | None = field(
        default=None,
        metadata=_about(
            "prior", "largest side of a window in pixels; larger pictures need several", min=64, metavar="N", recorded=True
        ),
    )
    max_memory: str | int | None = field(
        default=None, metadata=_about("prior", "memory limit of the whole process, such as 500MB or 1.5GiB", metavar="SIZE")
    )
    max_pixels: int = field(
        default=100_000_000,
        metadata=_about("prior", "largest picture that is read, checked before it is decoded", min=1, metavar="PIXELS"),
    )
    offload: Literal["none", "auto"] = field(
        default="none",
        metadata=_about(
            "prior",
            "auto: where the prior's weights do not fit, keep them elsewhere and fetch them layer by layer, which is slow",
        ),
    )
    compile: bool = field(default=False, metadata=_about("prior", "compile the network with torch.compile, for long runs"))

    # Files and messages of the command.
    threads: int | None = field(
        default=None, metadata=_about("command", "CPU threads; by default torch's choice", min=1, metavar="N")
    )
    page: int | None = field(
        default=None,
        metadata=_about("command", "page or frame of files that have several, from 1 on", min=1, metavar="N", recorded=True),
    )
    frames: Literal["one", "all"] = field(
        default="one",
        metadata=_about("command", "all: restore every frame or page, and write them back as one file", recorded=True),
    )
    out: str | None = field(
        default=None, metadata=_about("command", "where results go: a file, or a folder", short="-o", metavar="OUT")
    )
    format: Literal["png", "jpg", "tif", "webp", "bmp", "gif", "avif", "jp2", "heic", "jxl"] | None = field(
        default=None, metadata=_about("command", "format of results; by default that of the input, or of OUT")
    )
    jpeg_quality: int | None = field(
        default=None,
        metadata=_about(
            "command", "of JPEG results; by default that of a JPEG input, else 95", min=1, max=100, metavar="Q", recorded=True
        ),
    )
    suffix: str | None = field(
        default=None,
        metadata=_about("command", "what names of results have behind the input's; by default .TASK", metavar="TEXT"),
    )
    uncertainty: str | None = field(
        default=None,
        metadata=_about(
            "command",
            "write the result with uncertain areas outlined, beside a map of the samples' spread; a folder for several inputs",
            metavar="MAP.png",
        ),
    )
    contact_sheet: str | None = field(
        default=None,
        metadata=_about("command", "write all samples side by side; a folder for several inputs", metavar="SHEET.png"),
    )
    write_mask: str | None = field(
        default=None,
        metadata=_about("command", "write what was filled, white on black; a folder for several inputs", metavar="MASK.png"),
    )
    metadata: Literal["keep", "strip"] = field(
        default="keep", metadata=_about("command", "keep or strip EXIF, XMP and dpi", recorded=True)
    )
    overwrite: bool = field(default=False, metadata=_about("command", "replace existing results"))
    record: bool = field(
        default=False, metadata=_about("command", "store all settings for `restore rerun`, in a PNG's text or as OUT.json")
    )
    strict: bool = field(default=False, metadata=_about("command", "fail (1) if a result is not consistent with its input"))
    dry_run: bool = field(
        default=False, metadata=_about("command", "print the files that would be written and what masks fill, do nothing")
    )
    plan: bool = field(
        default=False, metadata=_about("command", "print expected windows, evaluations, memory and time, do nothing")
    )
    json: bool = field(default=False, metadata=_about("command", "print one JSON object per picture"))
    quiet: bool = field(default=False, metadata=_about("command", "errors only", short="-q"))
    verbose: int = field(default=0, metadata=_about("command", "details; -vv: tracebacks too", short="-v", count=True))


def of_scope(scope: Scope) -> tuple[str, ...]:
    """Names of the options of a scope, in the order of the fields."""
    return tuple(item.name for item in fields(RunOptions) if item.metadata["scope"] == scope)


def values_of(options: RunOptions, scope: Scope) -> dict[str, Any]:
    """The options of a scope as keywords."""
    return {name: getattr(options, name) for name in of_scope(scope)}


def recorded(options: RunOptions) -> dict[str, Any]:
    """The options that a record keeps. With the task's own options and the seed they reproduce the result."""
    return {item.name: getattr(options, item.name) for item in fields(options) if item.metadata.get("recorded")}


RESERVED = frozenset({item.name for item in fields(RunOptions)} | {"task", "image", "inputs", "options", "help"})
"""Names that a task's own options cannot have."""
