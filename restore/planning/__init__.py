"""Before a run: which methods make the answer, which windows fit into memory, and what the run will take."""
