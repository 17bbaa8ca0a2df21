"""`python -m restore`: the command, where another program of that name comes first."""

import sys

from restore.cli import main

if __name__ == "__main__":
    sys.exit(main())
