"""The options that every task has, in one place: flags, keywords, schema, reserved names and records are made of them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from restore.guidance.guidance import Guidance
    from restore.sampling.samplers import Sampler
else:
    Guidance = Sampler = object  # The command line reads its flags here, before torch is loaded.

Scope = Literal["call", "prior", "command"]


def _about(scope: Scope, help: str, **more: Any) -> dict[str, Any]:
    """What a field of `RunOptions` says of its option.

    Args:
        scope: what the option belongs to: one call, the prior and the machine it runs on, or the command's files and messages.
        help: one line for `restore TASK --help`.
        more: `min`, `max`, `above`, `choices` as for a task's options; `metavar`; `short`, a one-letter flag; `count`, whether
            the flag is repeated; `hidden`, whether it has none; `recorded`, whether a record keeps it for a rerun.
    """
    return {"scope": scope, "help": help, **more}


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What may be asked of any task. A field is the whole of an option: nothing else has to be told of a new one.

    Fields of scope "call" are keywords of `Restorer.stream` and `restore.solve`, those of scope "prior" of `Restorer`; all are
    flags of the command (`max_memory` is `--max-memory`). What each does is said in its field, and by `restore TASK --help`.
    """

    # One call.
    seed: int = field(default=0, metadata=_about("call", "of all noise: the same seed, the same picture", metavar="N"))
    name: str = field(default="", metadata=_about("call", "the picture's relative path; its noise depends on it", hidden=True))
    quality: Literal["fast", "balanced", "best"] = field(
        default="balanced", metadata=_about("call", "how much work an answer is worth", recorded=True)
    )
    steps: int | None = field(
        default=None,
        metadata=_about("call", "transitions; what the quality says if not given", min=1, metavar="N", recorded=True),
    )
    guidance: str | Guidance | None = field(
        default=None,
        metadata=_about(
            "call", "the method, if not the task's own: {guidances}", metavar="NAME[:key=value,...]", recorded=True
        ),
    )
    sampler: str | Sampler | None = field(
        default=None,
        metadata=_about(
            "call", "the transition, if not the method's own: {samplers}", metavar="NAME[:key=value,...]", recorded=True
        ),
    )
    samples: int = field(default=1, metadata=_about("call", "posterior samples to draw", min=1, metavar="N", recorded=True))
    fidelity: float | None = field(
        default=None,
        metadata=_about(
            "call",
            "1: closest to the truth, smooth where it is unknown; 0: one posterior sample, crisp; between: a blend",
            min=0,
            max=1,
            metavar="F",
            recorded=True,
        ),
    )

    # The prior, and where it runs.
    prior: str = field(
        default="photo", metadata=_about("prior", "a bundled model, a model folder, a Hub id, or SCHEME:ID", recorded=True)
    )
    device: str | None = field(
        default=None, metadata=_about("prior", "cpu, cuda, cuda:1, mps; this machine's best if not given", metavar="NAME")
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = field(
        default=None, metadata=_about("prior", "arithmetic of the network; what the hardware is made for if not given")
    )
    tile: int | None = field(
        default=None,
        metadata=_about(
            "prior", "largest side in pixels that goes through the network at once", min=64, metavar="N", recorded=True
        ),
    )
    max_memory: str | int | None = field(
        default=None, metadata=_about("prior", "what the process may take in all, such as 500MB, 2GB or 1.5GiB", metavar="SIZE")
    )
    compile: bool = field(default=False, metadata=_about("prior", "compile the network first (torch.compile): for long runs"))

    # Files and messages of the command.
    threads: int | None = field(
        default=None, metadata=_about("command", "CPU threads; all that torch finds if not given", min=1, metavar="N")
    )
    out: str | None = field(
        default=None, metadata=_about("command", "where results go: a file, or a folder", short="-o", metavar="OUT")
    )
    uncertainty: str | None = field(
        default=None,
        metadata=_about(
            "command",
            "write what was invented, outlined, beside the spread of the samples; a folder for several inputs",
            metavar="MAP.png",
        ),
    )
    contact_sheet: str | None = field(
        default=None,
        metadata=_about("command", "write all samples side by side; a folder for several inputs", metavar="SHEET.png"),
    )
    metadata: Literal["keep", "strip"] = field(default="keep", metadata=_about("command", "EXIF, XMP, dpi", recorded=True))
    overwrite: bool = field(default=False, metadata=_about("command", "replace results that exist"))
    record: bool = field(
        default=False, metadata=_about("command", "keep how it was made: in a PNG's text, beside others as OUT.json")
    )
    strict: bool = field(default=False, metadata=_about("command", "fail (1) if a result does not agree with its input"))
    dry_run: bool = field(default=False, metadata=_about("command", "print what would be written, do nothing"))
    plan: bool = field(
        default=False, metadata=_about("command", "print windows, evaluations, memory and time to expect, do nothing")
    )
    json: bool = field(default=False, metadata=_about("command", "print a JSON object a picture"))
    quiet: bool = field(default=False, metadata=_about("command", "errors only", short="-q"))
    verbose: int = field(default=0, metadata=_about("command", "details; -vv: tracebacks too", short="-v", count=True))


def of_scope(scope: Scope) -> tuple[str, ...]:
    """Names of the options of a scope, in their order."""
    return tuple(item.name for item in fields(RunOptions) if item.metadata["scope"] == scope)


def values_of(options: RunOptions, scope: Scope) -> dict[str, Any]:
    """The options of a scope as keywords."""
    return {name: getattr(options, name) for name in of_scope(scope)}


def recorded(options: RunOptions) -> dict[str, Any]:
    """What a record keeps: with these and the task's own options the same picture is asked for again."""
    return {item.name: getattr(options, item.name) for item in fields(options) if item.metadata.get("recorded")}


RESERVED = frozenset({item.name for item in fields(RunOptions)} | {"task", "image", "inputs", "options", "help"})
"""Names that no option of a task may have."""
