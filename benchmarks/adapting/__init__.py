"""Tuning the prior on the picture at hand: what `--adapt` gains, and what it costs."""
