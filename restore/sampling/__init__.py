"""Sampling: schedules of noise levels, samplers (each is one reverse transition), and the random noise they draw."""
