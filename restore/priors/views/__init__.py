"""Views, priors that wrap another prior: for gray pictures, with averaged orientations, with a compiled network."""
