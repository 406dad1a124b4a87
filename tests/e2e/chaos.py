"""python -m tests.e2e.chaos --moments 100: what make chaos runs."""

from __future__ import annotations

from propwash.cli.chaos import main

if __name__ == "__main__":
    main()
