"""One reverse transition from sigma to sigma_next, knowing nothing of the measurement.

A sampler is a function `(denoise, x, sigma, sigma_next, noise) -> x_next`; `denoise(x, sigma)` answers E[x0 | x] (or the
guided estimate in its place), sigma and sigma_next are () tensors, sigma_next < sigma.
Samplers are immutable; `begin(sampler)` gives the transition of one descent: the sampler itself, unless it remembers.
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
