"""Device, dtype, memory, and this process's share of the pictures."""
