"""Measures what the gateway costs. `python -m benchmarks`; what the figures mean stands in docs/performance.md."""
