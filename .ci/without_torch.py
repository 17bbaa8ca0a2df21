"""The lock on stdin without torch and comments, to stdout."""

import re
import sys

print("# Made by `make lock`: what .ci/constraints.txt names and all that it needs, but torch.")
for part in re.split(r"(?m)^(?=\S)", sys.stdin.read()):
    if part.strip() and not part.startswith(("#", "torch==")):
        print(part.rstrip("\n"))
