"""The noise that is assumed of a picture of whole numbers where its operator would multiply it."""

LEVELS = 0.5  # Grey levels: rounding to 8 bits has a standard deviation of 0.29, and a kernel is never exact.
ROUNDED = LEVELS / 127.5  # In units of [-1, 1] pictures.
