"""What gateway-auth costs, measured: `python -m benchmarks --help`. Figures of one run are compared with each other."""
