"""Sampling: schedules of noise levels, samplers (one reverse transition each) and the noise they draw."""
