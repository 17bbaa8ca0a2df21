"""Loaders: from files on disk or the Hub to a prior."""
