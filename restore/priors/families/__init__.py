"""Families of prior: D(x, sigma) of a network that predicts noise, a score, a velocity or the clean picture."""
