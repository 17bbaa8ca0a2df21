"""Measurements behind the documents: `python -m benchmarks` lists them, `python -m benchmarks NAME --help` explains one."""
