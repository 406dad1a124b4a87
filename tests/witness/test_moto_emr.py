"""EMR's four forms against moto's server: a stand-in of EMR that is not our own idea of it.

What it lacks is in moto_witness.LACKS, with the test that stands in.
"""

from __future__ import annotations

import asyncio

import pytest

from propwash.sdk import Deletion, NotFound, Observation, RemotePhase, Verdict
from tests.witness.environments import ROOT
from tests.witness.moto_witness import ENDLESS, FAILING, FORMS, KEYS, LACKS, Form, called, witness

pytestmark = pytest.mark.xdist_group("moto")
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@each_form
async def test_a_job_goes_through_its_states_to_success(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        asked = there.request()
        job = await called(there.handler.create(asked))
        phases: list[RemotePhase] = []
        seen = await there.ended(job.meta, phases=phases)
        assert seen.phase is RemotePhase.SUCCEEDED, seen
        assert phases == [RemotePhase.PENDING, RemotePhase.RUNNING]
        assert seen.outputs
        assert await there.listed() == []


@each_form
async def test_a_job_that_fails_is_told_as_failed(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        job = await called(there.handler.create(there.request(FAILING)))
        seen = await there.ended(job.meta)
        assert seen.phase is RemotePhase.FAILED
        assert seen.reason
        assert seen.reason == seen.reason.upper()


@each_form
async def test_a_create_in_doubt_is_found_by_name(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        asked, absent = there.request(ENDLESS), there.request(ENDLESS)
        job = await called(there.handler.create(asked))
        found = await called(there.handler.find(there.connection, asked.name, asked.hint))
        assert found is not None
        assert found.meta == job.meta
        assert await called(there.handler.find(there.connection, absent.name, absent.hint)) is None
        assert await there.listed() == [asked.name]
        await there.gone(asked, job.meta)


@each_form
async def test_two_creates_of_one_name_come_to_one_live_job(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        asked = there.request(ENDLESS)
        first, second = [await called(there.handler.create(asked)) for _ in range(2)]
        assert (first.meta == second.meta) is form.is_tokened
        found = await called(there.handler.find(there.connection, asked.name, asked.hint))
        assert found is not None
        # moto tells creation to the second: which of two in one second is older, it does not say.
        assert found.meta in (first.meta, second.meta)
        async with asyncio.timeout(20):
            while await there.listed() != [asked.name]:  # noqa: ASYNC110  others' processes tell nobody
                await asyncio.sleep(0.05)
        assert (await there.look(found.meta)).phase in (RemotePhase.PENDING, RemotePhase.RUNNING)
        await there.gone(asked, found.meta)
        assert await there.listed() == []


@each_form
async def test_a_cancel_is_confirmed_by_state(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        asked = there.request(ENDLESS)
        job = await called(there.handler.create(asked))
        said = await there.gone(asked, job.meta)
        assert said[0] is Deletion.PENDING
        seen = await there.ended(job.meta)
        assert seen.phase is RemotePhase.FAILED
        assert "CANCEL" in seen.reason or seen.reason == "USER_REQUEST"
        assert await there.listed() == []


@each_form
async def test_a_cancel_by_name_alone_ends_the_job_and_knows_where_there_is_none(
    moto: str, form: Form
) -> None:
    async with witness(moto, form) as there:
        asked, absent = there.request(ENDLESS), there.request(ENDLESS)
        await called(there.handler.create(asked))
        await there.gone(asked, None)
        said = await called(there.handler.delete(there.connection, absent.name, None, absent.hint))
        assert said is Deletion.ABSENT


@each_form
async def test_a_job_that_is_not_there_is_not_found(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        asked = there.request()
        job = await called(there.handler.create(asked))
        key = _id_in(job.meta)
        other = job.meta.replace(key, key[:-4] + b"0000" if key[-4:] != b"0000" else key[:-4] + b"1111")
        answers = await called(there.handler.get(there.connection, [other]))
        assert isinstance(answers[other], NotFound)


def _id_in(meta: bytes) -> bytes:
    """The job's own id in a meta, whatever else is there: the longest of its parts that is none of ours."""
    parts = [part for part in meta.replace(b"[", b'"').replace(b",", b'"').split(b'"') if part]
    return max((part for part in parts if not part.startswith(b"pw-")), key=_is_own_id)


def _is_own_id(part: bytes) -> tuple[bool, int]:
    return part.startswith(b"s-"), len(part)


@each_form
async def test_many_jobs_are_observed_by_lists_of_several_pages(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        asked = [there.request(ENDLESS) for _ in range(form.many)]
        quick = [there.request() for _ in range(5)]
        made = [await called(there.handler.create(one)) for one in (*asked, *quick)]
        metas = [job.meta for job in made]
        assert len(set(metas)) == len(metas)
        async with asyncio.timeout(30):
            while True:
                answers = await called(there.handler.get(there.connection, metas))
                assert set(answers) == set(metas)
                assert not [one for one in answers.values() if isinstance(one, Verdict)]
                phases = [seen.phase for seen in answers.values() if isinstance(seen, Observation)]
                if (
                    phases.count(RemotePhase.SUCCEEDED) == 5
                    and phases.count(RemotePhase.RUNNING) == form.many
                ):
                    break
                await asyncio.sleep(0.1)
        assert await there.listed() == sorted(one.name for one in asked)
        await asyncio.gather(*(there.gone(one, job.meta) for one, job in zip(asked, made, strict=False)))
        assert await there.listed() == []


@each_form
async def test_the_connection_passes_its_check(moto: str, form: Form) -> None:
    async with witness(moto, form) as there:
        found = await called(there.handler.check(there.connection))
        assert [one for one in found if not one.is_ok] == []


def test_what_it_lacks_is_covered_where_it_says() -> None:
    assert [place for place in LACKS.values() if not (ROOT / place).exists()] == []
