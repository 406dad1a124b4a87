"""The ledger: it tells a double create, an overlap and a leak from what is in order."""

from __future__ import annotations

from propwash.sandbox import Ledger, LedgerJob, LedgerState

UID = "01hzy3v7k8m9n0p1q2r3s4t5v6"


def create(
    ledger: Ledger, name: str, *, execution: str = "", attempt: str = "", account: str = "p"
) -> LedgerJob:
    labels = {"propwash-execution": execution, "propwash-attempt": attempt} if execution else {}
    return ledger.created(system="s", account=account, name=name, labels=labels, at=1.0)


def test_counts_follow_states_and_the_peak_stays() -> None:
    ledger = Ledger()
    jobs = [create(ledger, name) for name in "abcd"]
    for job, state in zip(
        jobs, (LedgerState.FINISHED, LedgerState.CANCELLED, LedgerState.FAILED), strict=False
    ):
        ledger.ended(job, state=state, at=2.0)
    ledger.ended(jobs[0], state=LedgerState.FAILED, at=3.0)
    summary = ledger.summary()
    assert {name: summary[name] for name in ("total", "live", "finished", "cancelled", "failed", "peak_live")} == {
        "total": 4, "live": 1, "finished": 1, "cancelled": 1, "failed": 1, "peak_live": 4,
    }  # fmt: skip
    assert jobs[0].ended_at == 2.0


def test_a_second_live_job_of_one_name_is_created_twice() -> None:
    ledger = Ledger()
    first = create(ledger, "a")
    create(ledger, "a", account="other")
    assert ledger.summary()["created_twice"] == 0
    create(ledger, "a")
    assert ledger.summary()["created_twice"] == 1
    again = create(ledger, "b")
    ledger.ended(again, state=LedgerState.FINISHED, at=2.0)
    create(ledger, "b")
    assert ledger.summary()["created_twice"] == 1
    assert first.state is LedgerState.LIVE


def test_a_second_job_of_one_attempt_is_created_twice_even_after_the_first() -> None:
    ledger = Ledger()
    first = create(ledger, "a", execution="x", attempt="1")
    ledger.ended(first, state=LedgerState.FAILED, at=2.0)
    create(ledger, "b", execution="x", attempt="2")
    assert (ledger.summary()["created_twice"], ledger.summary()["overlapping"]) == (0, 0)
    create(ledger, "c", execution="x", attempt="1")
    summary = ledger.summary()
    assert (summary["created_twice"], summary["overlapping_executions"]) == (1, ["x"])


def test_two_live_attempts_of_one_execution_overlap() -> None:
    ledger = Ledger()
    create(ledger, "a", execution="x", attempt="1")
    create(ledger, "b", execution="x", attempt="2")
    assert (ledger.summary()["created_twice"], ledger.summary()["overlapping"]) == (0, 1)


def test_a_remote_name_tells_what_labels_do_not() -> None:
    job = create(Ledger(), f"pw-demo-{UID}-2")
    assert (job.owner, job.execution, job.attempt) == ("demo", UID, "2")


def test_a_child_counts_as_live_and_as_no_create() -> None:
    ledger = Ledger()
    create(ledger, "a", execution="x", attempt="1")
    labels = {"propwash-execution": "x", "propwash-attempt": "1"}
    child = ledger.created(system="s", account="p", name="c", labels=labels, at=1.0, parent="a")
    summary = ledger.summary()
    assert (summary["live"], summary["children"]) == (2, 1)
    assert (summary["created_twice"], summary["overlapping"]) == (0, 0)
    ledger.ended(child, state=LedgerState.FINISHED, at=2.0)
    assert ledger.summary()["live"] == 1


def test_pages_cover_every_match_once() -> None:
    ledger = Ledger()
    for index in range(25):
        job = create(ledger, f"j{index}")
        if index % 2:
            ledger.ended(job, state=LedgerState.FINISHED, at=2.0)
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page, after = ledger.page(after=after, size=5, wanted={"state": "finished"})
        found += [job.name for job in page]
    assert found == [f"j{index}" for index in range(1, 25, 2)]


def test_every_system_has_figures_of_its_own() -> None:
    ledger = Ledger()
    first = ledger.created(system="one", account="p", name="a", labels={}, at=1.0)
    ledger.created(system="two", account="p", name="a", labels={}, at=1.0)
    ledger.created(system="two", account="p", name="a", labels={}, at=1.0)
    ledger.ended(first, state=LedgerState.FINISHED, at=2.0)
    nothing = {"finished": 0, "cancelled": 0, "failed": 0}
    assert ledger.summary()["systems"] == {
        "one": {**nothing, "total": 1, "live": 0, "finished": 1, "created_twice": 0},
        "two": {**nothing, "total": 2, "live": 2, "created_twice": 1},
    }
