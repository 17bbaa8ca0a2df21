"""The built-in tasks: plugins like any other, found through the entry points of this distribution."""
