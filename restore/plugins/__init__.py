"""Plugins: the hooks a package may implement (`hookspecs`), and how plugins are found and checked (`manager`)."""

from restore.plugins.manager import hookimpl

__all__ = ["hookimpl"]
