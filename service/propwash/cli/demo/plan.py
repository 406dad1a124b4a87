"""What the demo submits: varied work on all systems, durations, and what each job must come to, all from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from propwash.cli.demo.queries import QUERIES
from propwash.cli.demo.runs import CLUSTERS_OF_THEIR_OWN, PODS, RUNS, STEPS
from propwash.cli.demo.statements import STATEMENTS
from propwash.cli.demo.work import Kind, Work
from propwash.client import NewExecution, Phase, Policy

KINDS: tuple[Kind, ...] = (QUERIES, STATEMENTS, RUNS, PODS, STEPS, CLUSTERS_OF_THEIR_OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """One job. abort_after_s is seconds after its create was acknowledged, None where it is left alone."""

    new: NewExecution
    kind: str
    expected: Phase
    duration_s: float
    abort_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The knobs of a plan. Jobs last from shortest_s to longest_s, except for a few that are quick."""

    jobs: int
    aborts: int
    seed: int
    shortest_s: float
    longest_s: float
    prefix: str = "job"
    kinds: tuple[Kind, ...] = KINDS


def make_plan(load: Load) -> list[DemoJob]:
    """The jobs in the order of submission; the same load gives the same plan."""
    dice = random.Random(load.seed)
    aborted = set(dice.sample(range(load.jobs), min(load.aborts, load.jobs)))
    return [_job(index, load, dice, is_aborted=index in aborted) for index in range(load.jobs)]


def preparations(kinds: tuple[Kind, ...] = KINDS) -> Mapping[str, Work]:
    """By name, what has to have run before the first job of a plan, such as the making of a table."""
    return {kind.name: kind.preparation for kind in kinds if kind.preparation is not None}


def counts(jobs: list[DemoJob]) -> str:
    """How many there are of each kind, for people."""
    by_kind = Counter(job.kind for job in jobs)
    return ", ".join(f"{number} {kind}" for kind, number in by_kind.items())


def _job(index: int, load: Load, dice: random.Random, *, is_aborted: bool) -> DemoJob:
    (kind,) = dice.choices(load.kinds, [kind.share for kind in load.kinds])
    is_quick = dice.random() < 0.01 and not is_aborted
    duration_s = dice.uniform(0.05, 0.8) if is_quick else dice.uniform(load.shortest_s, load.longest_s)
    work = kind.draw(index, dice, round(duration_s * 1000))
    abort_after_s: float | None = None
    if is_aborted:
        abort_after_s = 0.0 if dice.random() < 0.25 else dice.uniform(0.0, 0.8 * duration_s)
    new = NewExecution(
        task_type=work.task_type,
        spec=work.spec,
        inputs=work.inputs,
        execution_id=f"{load.prefix}-{index:05d}",
        labels=work.labels,
        policy=Policy(max_attempts=work.max_attempts),
        request_id=f"{load.prefix}-{load.seed}-{index}",
    )
    return DemoJob(
        new=new, kind=kind.name, expected=work.expected, duration_s=duration_s, abort_after_s=abort_after_s
    )
