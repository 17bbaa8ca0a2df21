"""Families of prior: how a network that predicts noise, a score, a velocity or the picture becomes D(x, sigma)."""
