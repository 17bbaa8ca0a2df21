"""The result of a run, its consistency with the measurement, and its provenance."""
