"""One reverse transition from sigma to sigma_next, knowing nothing of the measurement.

A kernel is a function `(denoise, x, sigma, sigma_next, noise) -> x_next`; `denoise(x, sigma)` answers E[x0 | x] (or the
guided estimate in its place), sigma and sigma_next are () tensors, sigma_next < sigma.
Kernels are immutable; `begin(kernel)` gives the transition of one descent: the kernel itself, unless it remembers.
"""

from restore.kernels.ddim import ddim, diffpir, probability_flow, renoise
from restore.kernels.dpmpp_2m import dpmpp_2m
from restore.kernels.euler_maruyama import euler_maruyama
from restore.kernels.heun import heun
from restore.kernels.kernel import Denoise, Kernel, Remembering, begin
from restore.kernels.langevin import langevin, predictor_corrector
from restore.kernels.names import KERNELS, named

__all__ = [
    "KERNELS",
    "Denoise",
    "Kernel",
    "Remembering",
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
