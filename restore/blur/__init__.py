"""How a picture was blurred, or by which kernel it was made small, from its pixels alone."""
