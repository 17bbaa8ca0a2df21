"""From a problem and a prior to a result: plans, batches, the loop over noise levels, and sampling without a problem."""
