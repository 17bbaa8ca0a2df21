"""Evaluation of a prior on pictures: likelihood in bits per dimension, and denoising PSNR."""

from restore.likelihood.bound import Bound, Term, variational_bound
from restore.likelihood.denoising import denoising_psnr
from restore.likelihood.flow import flow_likelihood
from restore.likelihood.units import bits_per_dim, dequantised

__all__ = ["Bound", "Term", "bits_per_dim", "denoising_psnr", "dequantised", "flow_likelihood", "variational_bound"]
