"""Views: another way to ask a prior; gray pictures, averaged orientations, a compiled network."""
