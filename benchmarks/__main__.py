"""`python -m benchmarks`: runs the scenarios, each in a process of its own, and prints what they found."""

from __future__ import annotations

from benchmarks.command import main

if __name__ == "__main__":
    raise SystemExit(main())
