"""Planning a run: choice of methods, windows that fit into memory, and estimates of memory and time."""
