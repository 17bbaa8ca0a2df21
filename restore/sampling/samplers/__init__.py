"""Samplers: one reverse transition from sigma to sigma_next, independent of the measurement.

A sampler is a function `(denoise, x, sigma, sigma_next, noise) -> x_next`. `denoise(x, sigma)` returns E[x0 | x], or a guided
estimate in its place. x and x_next are (B, C, H, W); sigma and sigma_next are () tensors with sigma_next < sigma.
Samplers are immutable. `begin(sampler)` returns the transition to use over one run of falling noise levels: a fresh one for a
multistep sampler, the sampler itself otherwise.
"""

from restore.sampling.samplers.ddim import ddim, diffpir, probability_flow, renoise
from restore.sampling.samplers.dpmpp_2m import dpmpp_2m
from restore.sampling.samplers.euler_maruyama import euler_maruyama
from restore.sampling.samplers.heun import heun
from restore.sampling.samplers.langevin import langevin, predictor_corrector
from restore.sampling.samplers.names import SAMPLERS, named
from restore.sampling.samplers.sampler import Denoise, Multistep, Sampler, begin

__all__ = [
    "SAMPLERS",
    "Denoise",
    "Multistep",
    "Sampler",
    "begin",
    "ddim",
    "diffpir",
    "dpmpp_2m",
    "euler_maruyama",
    "heun",
    "langevin",
    "named",
    "predictor_corrector",
    "probability_flow",
    "renoise",
]
