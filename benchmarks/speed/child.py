"""Runs a command by itself and says what it took: seconds by the clock, processor seconds, and peak memory.

    python -S benchmarks/speed/child.py REPORT.json COMMAND...

Linux starts a child's peak from what its parent held, so a measuring program full of pictures cannot ask for the peak of its
own children; this one holds next to nothing.
"""

import json
import os
import sys
import time


def main() -> int:
    report, command = sys.argv[1], sys.argv[2:]
    started = time.perf_counter()
    pid = os.spawnvp(os.P_NOWAIT, command[0], command)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    found = {"wall": wall, "process": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * unit}
    with open(report, "w") as lines:
        json.dump(found, lines)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
