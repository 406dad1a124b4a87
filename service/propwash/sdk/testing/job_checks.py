"""The battery's checks of a job's life: create, find, observe, delete, list."""

from __future__ import annotations

import asyncio
import re

import pytest

from propwash.core.events import Deletion
from propwash.core.model import Observation, RemotePhase
from propwash.sdk.handler import CreateRequest, Job, NotOffered, Spec
from propwash.sdk.testing.asking import ask, observe
from propwash.sdk.testing.harness import HandlerHarness
from propwash.sdk.verdicts import NotFound, Verdict

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_GONE = (Deletion.GONE, Deletion.ABSENT)


class JobChecks:
    """Checks of a job's life."""

    async def test_create_is_found_by_name(self, harness: HandlerHarness[Spec]) -> None:
        """A job is found under the name that it was created with, by the same meta."""
        needs_look_up(harness)
        request = harness.new_request(harness.long)
        job = await harness.create(request)
        found = await harness.find(request)
        assert found is not None, "find does not find the job by the name that create was given"
        assert found.meta == job.meta, "find answered another meta than create"
        assert job.observation.phase is not RemotePhase.FAILED, "create answered a failed job"

    async def test_meta_is_small_bytes(self, harness: HandlerHarness[Spec]) -> None:
        """The meta is bytes, not empty, and at most the handler's meta_limit: 1,024 where it says nothing else."""
        meta: object = (await harness.create(harness.new_request(harness.long))).meta
        limit = harness.handler.meta_limit
        assert isinstance(meta, bytes), f"the meta is {type(meta).__name__}, not bytes"
        assert 0 < len(meta) <= limit, f"the meta has {len(meta)} bytes; 1 to {limit:,} are allowed"

    async def test_repeated_create_makes_one_job(self, harness: HandlerHarness[Spec]) -> None:
        """A repeated create adopts; where names are not unique, find keeps one job and cancels the others."""
        if not harness.traits.has_unique_names:
            needs_look_up(harness)
        request = harness.new_request(harness.long)
        first = await harness.create(request)
        again = await harness.create(request)
        if harness.traits.has_unique_names:
            assert again.meta == first.meta, "a repeated create answered another job"
        else:
            assert await harness.find(request) is not None, "find finds none of two jobs of a name"
        await _settle_at(harness, request, 1, "a repeated create")

    async def test_find_of_unknown_is_none(self, harness: HandlerHarness[Spec]) -> None:
        """A name that was never used finds None."""
        request = harness.new_request(harness.quick)
        assert await harness.find(request) is None, "find found a job that was never created"

    async def test_get_answers_each_meta(self, harness: HandlerHarness[Spec]) -> None:
        """Every meta asked about is a key of the answer, and no other."""
        metas = [(await harness.create(harness.new_request(harness.long))).meta for _ in range(3)]
        assert len(set(metas)) == 3, "three jobs have fewer than three metas"
        answers = await observe(harness.handler, harness.connection, metas)
        assert set(answers) == set(metas), "get must answer exactly the metas that it was asked about"
        assert all(isinstance(answer, Observation) for answer in answers.values()), (
            f"get answered {answers!r}"
        )
        assert not await observe(harness.handler, harness.connection, []), (
            "get of nothing must answer nothing"
        )

    async def test_unknown_meta_is_not_found(self, harness: HandlerHarness[Spec]) -> None:
        """An unknown job is NotFound, never a failure, and does not spoil the others' answers."""
        job = await harness.create(harness.new_request(harness.long))
        answers = await observe(harness.handler, harness.connection, [harness.unknown_meta, job.meta])
        unknown = answers.get(harness.unknown_meta)
        assert isinstance(unknown, NotFound), f"an unknown meta must answer NotFound, not {unknown!r}"
        assert isinstance(answers.get(job.meta), Observation), "an unknown meta spoilt another job's answer"

    async def test_quick_job_succeeds(self, harness: HandlerHarness[Spec]) -> None:
        """A good job ends as SUCCEEDED, and stays so."""
        job = await harness.create(harness.new_request(harness.quick))
        seen = await harness.look_until_final(job.meta)
        assert seen.phase is RemotePhase.SUCCEEDED, f"the quick job ended as {seen!r}"
        again = await harness.look(job.meta)
        assert isinstance(again, Observation), f"a finished job was then answered {again!r}"
        assert again.phase is RemotePhase.SUCCEEDED, "a job that had succeeded changed its mind"

    @pytest.mark.parametrize("is_retryable", [False, True])
    async def test_failing_job_fails_with_a_reason(
        self, harness: HandlerHarness[Spec], is_retryable: bool
    ) -> None:
        """A bad job ends as FAILED with a stable reason and the right classification."""
        spec = harness.failing_retryable if is_retryable else harness.failing
        if spec is None:
            pytest.skip("the harness gives no failing_retryable spec")
        job = await harness.create(harness.new_request(spec))
        seen = await harness.look_until_final(job.meta)
        assert seen.phase is RemotePhase.FAILED, f"the failing job ended as {seen!r}"
        assert _REASON.fullmatch(seen.reason), f"{seen.reason!r} is no UPPER_SNAKE_CASE reason"
        assert seen.is_retryable is is_retryable, f"is_retryable must be {is_retryable} for {seen.reason}"

    async def test_long_job_is_live(self, harness: HandlerHarness[Spec]) -> None:
        """A job that is not over is not observed as over, and may be finished by the system."""
        request = harness.new_request(harness.long)
        job = await harness.create(request)
        seen = await harness.look(job.meta)
        assert isinstance(seen, Observation), f"get answered {seen!r} for a live job"
        assert not seen.phase.is_final, f"get answered {seen!r} for a live job"
        try:
            await harness.backend.finish(request.name)
        except NotOffered:
            return
        ended = await harness.look_until_final(job.meta)
        assert ended.phase is RemotePhase.SUCCEEDED, f"the finished job was answered {ended!r}"

    @pytest.mark.parametrize("knows_meta", [True, False])
    async def test_delete_ends_a_running_job(self, harness: HandlerHarness[Spec], knows_meta: bool) -> None:
        """Delete, by meta or by name alone, answers PENDING until the system confirms the end, then GONE for
        good; a second wish while the first takes effect is no error.
        """
        if not knows_meta:
            needs_look_up(harness)
        request = harness.new_request(harness.long)
        job = await harness.create(request)
        meta = job.meta if knows_meta else None
        await harness.backend.pause()
        for _ in range(harness.patience):
            await self._delete(harness, request, meta)
            answer = await self._delete(harness, request, meta)
            assert answer is not Deletion.ABSENT, "delete answered ABSENT for a job that is there"
            if answer is Deletion.GONE:
                break
            await harness.backend.pause()
        else:
            pytest.fail(f"delete was never confirmed in {harness.patience} tries")
        await _settle_at(harness, request, 0, "delete answered GONE, but")
        seen = await harness.look(job.meta)
        is_over = seen.phase.is_final if isinstance(seen, Observation) else isinstance(seen, NotFound)
        assert is_over, f"delete answered GONE, but get answers {seen!r}"
        assert await self._delete(harness, request, meta) in _GONE, (
            "a repeated delete must answer GONE or ABSENT"
        )

    async def test_delete_of_unknown_is_absent(self, harness: HandlerHarness[Spec]) -> None:
        """A name that is not there is ABSENT, also when asked again."""
        request = harness.new_request(harness.long)
        for _ in range(2):
            answer = await self._delete(harness, request, None)
            assert answer is Deletion.ABSENT, f"delete of an unknown name answered {answer!r}, not ABSENT"
        if harness.traits.remembers_deleted_names:
            with pytest.raises(Verdict):
                await harness.create(request)

    async def test_delete_of_finished_is_gone(self, harness: HandlerHarness[Spec]) -> None:
        """A job that ended by itself is gone: delete does not fail and does not wait."""
        request = harness.new_request(harness.quick)
        job = await harness.create(request)
        await harness.look_until_final(job.meta)
        assert await self._delete(harness, request, job.meta) in _GONE, "a finished job must delete as GONE"

    async def test_list_finds_ours_alone(self, harness: HandlerHarness[Spec]) -> None:
        """The sweep sees our live jobs by name and meta, no other owner's, and no finished ones."""
        needs_look_up(harness)
        ours = harness.new_request(harness.long)
        theirs = harness.new_request(harness.long, owner="another")
        over = harness.new_request(harness.quick)
        job = await harness.create(ours)
        await harness.create(theirs)
        await harness.look_until_final((await harness.create(over)).meta)
        listed = {
            one.name: one.meta for one in await ask(harness.handler.list, harness.connection, "battery")
        }
        assert ours.name in listed, "list does not show a live job that carries our owner"
        assert isinstance(await harness.look(listed[ours.name]), Observation), (
            "a listed meta is not known to get"
        )
        assert listed[ours.name] == job.meta, "list answered another meta than create"
        assert theirs.name not in listed, "list shows another owner's job"
        assert over.name not in listed, "list shows a finished job"

    async def test_concurrent_creates_stay_apart(self, harness: HandlerHarness[Spec]) -> None:
        """Calls at the same time do not mix their answers up."""
        requests = [harness.new_request(harness.long) for _ in range(8)]
        jobs: list[Job] = await asyncio.gather(*(harness.create(request) for request in requests))
        assert len({job.meta for job in jobs}) == len(jobs), "concurrent creates answered one job twice"
        if not harness.traits.can_look_up:
            return
        for request, job in zip(requests, jobs, strict=True):
            found = await harness.find(request)
            assert found is not None, "a job created among others is not found"
            assert found.meta == job.meta, "concurrent creates mixed their answers up"

    async def _delete(
        self, harness: HandlerHarness[Spec], request: CreateRequest[Spec], meta: bytes | None
    ) -> Deletion:
        hint = harness.hint_of(request)
        answer = await harness.verdict_noted(
            ask(harness.handler.delete, harness.connection, request.name, meta, hint)
        )
        assert isinstance(answer, Deletion), f"delete answered {answer!r}, which is no Deletion"
        return answer


def needs_look_up(harness: HandlerHarness[Spec]) -> None:
    """Skip where the traits say that nothing tells of a job by its name."""
    if not harness.traits.can_look_up:
        pytest.skip("the system tells of no job by its name (Traits.can_look_up)")


async def live_count(harness: HandlerHarness[Spec], request: CreateRequest[Spec]) -> int:
    """Live jobs of a name: as the backend says, or else as the handler's list does."""
    try:
        return await harness.backend.live_count(request.name)
    except NotOffered:
        listed = await ask(harness.handler.list, harness.connection, request.owner)
        return sum(one.name == request.name for one in listed)


async def _settle_at(
    harness: HandlerHarness[Spec], request: CreateRequest[Spec], wanted: int, after: str
) -> None:
    count = await live_count(harness, request)
    for _ in range(harness.patience if wanted else 0):
        if count <= wanted:
            break
        await harness.backend.pause()
        count = await live_count(harness, request)
    assert count == wanted, f"{after}: {count} live jobs of the name, not {wanted}"
