"""The command line: the only package that prints and exits. It imports torch only when a picture is to be restored.

Exit codes: 0 all done, 1 some pictures failed, 2 usage, 3 model missing or refused, 4 out of memory, 5 a plugin failed,
130 interrupted, 141 the reader of stdout has gone, 143 terminated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from restore import wording
from restore.cli import console, streams
from restore.device.memory import is_lack_of_memory, lacks_address_space
from restore.errors import OutOfMemoryError, RestoreError

INTERRUPTED, CLOSED_PIPE = 130, 141
NO_MEMORY = "not enough memory; give a smaller --tile"
NO_MEMORY_FOR_IMPORTS = "not enough memory to load Python's packages; raise the limit (ulimit -v), or free some"


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was made of, is lack of memory: numpy and torch wrap those of their imports."""
    return error is not None and (is_lack_of_memory(error) or lacks_memory(error.__cause__ or error.__context__))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    streams.open_all()
    with console.messages(), wording.for_commands(), streams.watched_stdout() as fault:
        try:
            code = _run(arguments)
        except OSError as error:
            if fault() is None:
                console.bug(error)
            code = 1
        except SystemExit as end:  # Of click: completion is done, or the reader of stdout has gone.
            code = end.code if isinstance(end.code, int) else 1
        lost = fault()
        if lost is None:
            return code
        if streams.is_closed_pipe(lost):
            return CLOSED_PIPE
        console.error(f"stdout cannot be written ({lost.strerror}); finished results are kept")
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    lacking = lacks_address_space()
    if lacking is not None:
        console.error(lacking)
        return OutOfMemoryError.exit_code
    try:
        from restore.cli.root import root  # Some of its modules load numpy, for which memory may be lacking.

        code = root.main(arguments, prog_name="restore", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (click.Abort, KeyboardInterrupt):
        console.error("interrupted; finished results are kept")
        return INTERRUPTED
    except click.ClickException as error:
        console.error(_usage(error))
        return error.exit_code
    except RestoreError as error:
        console.error(str(error))
        console.trace()
        return error.exit_code
    except Exception as error:
        if lacks_memory(error):
            imports = isinstance(error, ImportError) or "restore.cli.root" not in sys.modules
            console.error(NO_MEMORY_FOR_IMPORTS if imports else NO_MEMORY)
            console.trace()
            return OutOfMemoryError.exit_code
        if isinstance(error, OSError):
            raise  # `main` knows whether it is of stdout.
        console.bug(error)
        return 1


def _usage(error: click.ClickException) -> str:
    """The message of a click error in one line."""
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context else "see restore --help"
    if isinstance(error, click.NoSuchOption):
        near = " or ".join(map(repr, error.possibilities or ()))
        return f"unknown option {error.option_name!r}; " + (f"did you mean {near}?" if near else hint)
    said = " ".join(error.format_message().split()).rstrip(".")
    return f"{said[:1].lower()}{said[1:]}; {hint}"


if __name__ == "__main__":
    sys.exit(main())
