"""Plugins: what a package may provide (`hookspecs`), and how it is found and checked (`manager`)."""

from restore.plugins.manager import hookimpl

__all__ = ["hookimpl"]
