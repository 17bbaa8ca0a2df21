"""Families of priors: D(x, sigma) from a network that predicts noise, a score, a velocity or the clean picture."""
