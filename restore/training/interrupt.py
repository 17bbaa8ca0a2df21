"""Signals that end a training run: it ends after its step and saves."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

# Ctrl-C, an end by the system, a launcher or a scheduler, and a terminal that is closed.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupt:
    """Inside, a signal only sets `number`. A second Ctrl-C raises KeyboardInterrupt.

    A SIGTERM after another signal changes nothing: launchers pass Ctrl-C on and send SIGTERM right after it.

    Attributes:
        number: of the first signal; 0 before.
    """

    def __init__(self) -> None:
        self.number = 0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for one in SIGNALS:
                if signal.getsignal(one) is not signal.SIG_IGN:  # As `nohup` asks for.
                    self._previous[one] = signal.signal(one, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for one, previous in self._previous.items():
            signal.signal(one, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = self.number or number
