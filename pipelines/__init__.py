"""Ray pipelines: ingest photographs, annotate them, seal shards."""
