"""`python -m restore`: runs the command, for systems where another program is called `restore`."""

import sys

from restore.cli import main

if __name__ == "__main__":
    sys.exit(main())
