"""Finds a short trace of a failing seed: fewer faults, fewer executions, as long as it still fails."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.world import FAULTS, HINT, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A seed that breaks a promise, and the shortest trace that was found for it."""

    seed: int
    message: str
    trace: tuple[str, ...]
    without: frozenset[str]
    max_executions: int

    def __str__(self) -> str:
        lines = "\n".join(f"{number:4} {line}" for number, line in enumerate(self.trace, start=1))
        left_out = ", ".join(sorted(self.without)) or "nothing"
        again = f"python -m tests.sim --seed {self.seed}"
        return f"seed {self.seed}: {self.message}\nleft out: {left_out}; again: {again}\n{lines}"


def attempt(seed: int, without: frozenset[str] = frozenset(), max_executions: int = 4) -> Failure | None:
    """Run a seed; None where every promise held. A failure is run again for its trace, which is costly to keep."""
    if _breach(World(seed, without=without, max_executions=max_executions)) is None:
        return None
    world = World(seed, without=without, max_executions=max_executions, is_traced=True)
    return Failure(
        seed=seed,
        message=_breach(world) or "not seen again: the world is not deterministic",
        trace=tuple(world.trace),
        without=without,
        max_executions=max_executions,
    )


def _breach(world: World) -> str | None:
    try:
        world.run()
    except Exception as error:  # noqa: BLE001  # whatever a world raises is a finding
        return f"{type(error).__name__}: {error}"
    return None


def shrink(failure: Failure) -> Failure:
    """The shortest failing run that leaving out one thing after another finds."""
    best = failure
    for max_executions in range(1, 4):
        smaller = attempt(best.seed, best.without, max_executions)
        if smaller is not None:
            best = smaller
            break
    for fault in (*FAULTS, HINT):
        smaller = attempt(best.seed, best.without | {fault}, best.max_executions)
        if smaller is not None and len(smaller.trace) <= len(best.trace):
            best = smaller
    return best


def search(seeds: range) -> Failure | None:
    """The first failing seed, shrunk; None where none fails."""
    for seed in seeds:
        failure = attempt(seed)
        if failure is not None:
            return shrink(failure)
    return None
