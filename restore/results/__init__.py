"""What a run gives back: the result, how well it agrees with the measurement, and how it was made."""
