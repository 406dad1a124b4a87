"""Runs seeds: python -m tests.sim [--seeds N] [--first N] [--seed N]. Prints the first failure's shortest trace."""

from __future__ import annotations

import argparse
import sys
from time import perf_counter

from tests.sim.shrink import attempt, search, shrink


def main() -> int:
    """Parse, run, print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", type=int, default=20_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    options = parser.parse_args()
    if options.seed is not None:
        failure = attempt(options.seed)
        print(shrink(failure) if failure else f"seed {options.seed} holds")
        return 1 if failure else 0
    began = perf_counter()
    found = search(range(options.first, options.first + options.seeds))
    if found is not None:
        print(found)
        return 1
    took_s = perf_counter() - began
    print(f"{options.seeds} seeds hold, {options.seeds / took_s:.0f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
