"""Large pictures in windows: which regions need work, where windows lie, and how their outputs are blended."""
