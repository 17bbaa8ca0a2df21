"""Plugins: the hooks that a package may implement (`hookspecs`), and finding and checking plugins (`manager`)."""

from restore.plugins.manager import hookimpl

__all__ = ["hookimpl"]
