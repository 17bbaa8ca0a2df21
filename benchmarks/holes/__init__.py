"""Large holes: what is measured for docs/reports/holes.md."""
