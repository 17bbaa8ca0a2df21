"""Priors on latents: codecs between pictures and latents, decoded operators, and what a network is conditioned on."""
