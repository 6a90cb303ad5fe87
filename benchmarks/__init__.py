"""Benchmarks: each module has ``run()``, which returns rows of the table that ``make bench`` writes."""
