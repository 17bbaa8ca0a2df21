"""Pipelines of diffusers with a codec or a condition, each recognised by the class that `model_index.json` names."""
