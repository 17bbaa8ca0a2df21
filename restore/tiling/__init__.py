"""Pictures larger than what goes through a network at once: which windows need work, and how their answers are merged."""
