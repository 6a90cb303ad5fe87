"""Annotate: plan what is missing, run it on Ray, seal it into the shards."""
