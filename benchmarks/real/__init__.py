"""Damage that people's own pictures have, and what restores it."""
