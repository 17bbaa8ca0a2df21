"""Deblurring: known kernels, unknown kernels, noise that is not white, the settings of `pnp`, and DPIR's own pictures."""
