"""The command line: the only package that prints and exits. It imports torch only when a picture is to be restored.

Exit codes: 0 all done, 1 some pictures failed, 2 usage, 3 model missing or refused, 4 out of memory, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from restore.cli import console
from restore.cli.root import root
from restore.errors import OutOfMemoryError, RestoreError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    with console.messages():
        try:
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
        except MemoryError:
            console.error("not enough memory; give a smaller --tile")
            console.trace()
            return OutOfMemoryError.exit_code
        except Exception as error:
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
