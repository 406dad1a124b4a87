"""Runs seeds: python -m tests.sim [--seeds N] [--first N] [--seed N] [--pools]. Prints the first failure, shortened.

The worlds of world.py, or with --pools those of pools.py.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter

from tests.sim import pools
from tests.sim.shrink import attempt, search, shrink


def main() -> int:
    """Parse, run, print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", type=int, default=20_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--pools", action="store_true", help="the worlds of pools")
    options = parser.parse_args()
    if options.pools and options.seed is not None:
        broken = pools.search(range(options.seed, options.seed + 1))
        print(broken or f"seed {options.seed} holds")
        return 1 if broken else 0
    if options.seed is not None:
        failure = attempt(options.seed)
        print(shrink(failure) if failure else f"seed {options.seed} holds")
        return 1 if failure else 0
    began = perf_counter()
    seeds = range(options.first, options.first + options.seeds)
    found = pools.search(seeds) if options.pools else search(seeds)
    if found is not None:
        print(found)
        return 1
    took_s = perf_counter() - began
    print(f"{options.seeds} seeds hold, {options.seeds / took_s:.0f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
