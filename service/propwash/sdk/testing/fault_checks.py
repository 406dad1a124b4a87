"""The battery's checks of doubt and failure: lost answers, throttling, cancelled calls, secrets."""

from __future__ import annotations

import asyncio
import inspect
import math

import pytest

from propwash.core.model import RemotePhase
from propwash.sdk.handler import LogPage, NotOffered, ResultPage, Spec
from propwash.sdk.testing.asking import ask
from propwash.sdk.testing.harness import HandlerHarness
from propwash.sdk.testing.job_checks import live_count, needs_look_up
from propwash.sdk.verdicts import Throttled, Unavailable, Verdict


class FaultChecks:
    """Checks of doubt and failure."""

    async def test_lost_create_answer_is_found_again(self, harness: HandlerHarness[Spec]) -> None:
        """A create whose answer was lost is in doubt (Unavailable), and find adopts its job; a system that tells of no
        job by its name answers a repeated create with it, where names are unique.
        """
        try:
            await harness.backend.lose_next_create_answer()
        except NotOffered:
            pytest.skip("the backend cannot lose an answer")
        request = harness.new_request(harness.long)
        try:
            await harness.create(request)
        except Unavailable:
            pass
        except Verdict as verdict:
            pytest.fail(
                f"a lost answer must be Unavailable, not {verdict!r}, which says that nothing was created"
            )
        if harness.traits.can_look_up:
            found = await harness.find(request)
            assert found is not None, "find does not find a job whose create's answer was lost"
            if harness.traits.has_unique_names:
                assert (await harness.create(request)).meta == found.meta, (
                    "a create after doubt answered another job"
                )
        elif harness.traits.has_unique_names:
            await harness.create(request)
        count = await live_count(harness, request)
        assert count == 1, f"{count} live jobs of the name after a lost answer, not 1"

    async def test_throttling_is_said_as_throttled(self, harness: HandlerHarness[Spec]) -> None:
        """The system's throttling answer to a create is Throttled, has done nothing, and passes."""
        request = harness.new_request(harness.long)
        await self._throttle(harness)
        with pytest.raises(Throttled) as raised:
            await harness.create(request)
        after_s = raised.value.retry_after_s
        assert after_s is None or (math.isfinite(after_s) and after_s >= 0), f"retry_after_s is {after_s!r}"
        assert await live_count(harness, request) == 0, "a throttled create made a job"
        assert (await harness.create(request)).meta, "a create after a throttled one failed"

    async def test_throttled_find_is_no_answer(self, harness: HandlerHarness[Spec]) -> None:
        """A throttled look-up must not pass for 'there is no such job'."""
        needs_look_up(harness)
        request = harness.new_request(harness.long)
        await harness.create(request)
        await self._throttle(harness)
        with pytest.raises(Throttled):
            await harness.find(request)

    async def test_throttled_get_is_no_answer(self, harness: HandlerHarness[Spec]) -> None:
        """A throttled get is Throttled, raised or for the job; it says nothing of the job."""
        job = await harness.create(harness.new_request(harness.long))
        await self._throttle(harness)
        try:
            answer = await harness.look(job.meta)
        except Throttled:
            return
        assert isinstance(answer, Throttled), f"a throttled get answered {answer!r}"

    async def test_cancelled_call_leaves_the_handler_usable(self, harness: HandlerHarness[Spec]) -> None:
        """A call that is cancelled, as at a deadline, ends, and the handler works on."""
        if not inspect.iscoroutinefunction(harness.handler.create):
            pytest.skip("a plain def method cannot be cancelled")
        request = harness.new_request(harness.long)
        call = asyncio.ensure_future(ask(harness.handler.create, request))
        # One turn of the loop, so that the call has begun.
        await asyncio.sleep(0)
        call.cancel()
        _, pending = await asyncio.wait([call], timeout=5)
        assert not pending, "a cancelled create did not end within 5 s"
        async with asyncio.timeout(5):
            job = await harness.create(request)
        assert job.meta, "the handler does not work after a cancelled call"
        if harness.traits.has_unique_names:
            assert await live_count(harness, request) == 1, (
                "a cancelled and repeated create made no job, or two"
            )

    async def test_optional_reads_answer_pages(self, harness: HandlerHarness[Spec]) -> None:
        """Logs and results are not offered, or answer pages."""
        job = await harness.create(harness.new_request(harness.quick))
        seen = await harness.look_until_final(job.meta)
        assert seen.phase is RemotePhase.SUCCEEDED, f"the quick job ended as {seen!r}"
        try:
            logs = await ask(harness.handler.logs, harness.connection, job.meta, "")
            assert isinstance(logs, LogPage), f"logs answered {logs!r}"
        except NotOffered:
            pass
        try:
            results = await ask(harness.handler.results, harness.connection, job.meta, "", 10)
        except NotOffered:
            return
        assert isinstance(results, ResultPage), f"results answered {results!r}"
        assert len(results.rows) <= 10, "results answered more rows than asked for"
        assert all(len(row) == len(results.columns) for row in results.rows), (
            "a row has not one value a column"
        )

    async def test_validate_accepts_a_valid_request(self, harness: HandlerHarness[Spec]) -> None:
        """A dry run of a good job passes and makes no job."""
        request = harness.new_request(harness.long)
        answer: object = await harness.verdict_noted(ask(harness.handler.validate, request))
        assert answer is None, f"validate answered {answer!r}, not None"
        assert await live_count(harness, request) == 0, "a dry run made a job"

    async def test_no_secret_is_said(self, harness: HandlerHarness[Spec]) -> None:
        """No secret is in a meta, a message, a verdict or a repr."""
        request = harness.new_request(harness.failing)
        job = await harness.create(request)
        await harness.look_until_final(job.meta)
        await harness.find(request)
        for spoil in (harness.backend.throttle_next, harness.backend.lose_next_create_answer):
            try:
                await spoil()
            except NotOffered:
                continue
            with pytest.raises(Verdict):
                await harness.create(harness.new_request(harness.long))
        said = [*harness.sayings, repr(harness.handler), repr(request.spec), job.meta.decode("latin-1")]
        for secret in harness.secrets:
            assert not any(secret in one for one in said), "a secret is in a meta, a message or a repr"

    async def _throttle(self, harness: HandlerHarness[Spec]) -> None:
        try:
            await harness.backend.throttle_next()
        except NotOffered:
            pytest.skip("the backend cannot throttle")
