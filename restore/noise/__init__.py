"""Noise as pictures have it: its model, and its estimation from the picture alone."""
