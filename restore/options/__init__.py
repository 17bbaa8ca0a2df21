"""The options of runs and tasks: declared once, checked, and spelt as keywords, flags and specs."""
