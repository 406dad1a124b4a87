"""Each planted defect is caught by a check of the battery, named here; so the battery is worth passing."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from propwash.sdk import (
    Verdict,
)
from propwash.sdk.testing import HandlerBattery, ToyHandler, ToySystem, toy_harness
from tests.sdk.broken_toys import (
    AnswersHalf,
    CallsLostPermanent,
    CallsMissingFailed,
    CallsThrottledUnavailable,
    ChecksAloud,
    ChecksNothing,
    ClaimsToRemember,
    DeletesByMetaOnly,
    DrawsItsLinks,
    FailsWithoutReason,
    FattensTheMeta,
    FindsByPrefix,
    FindsNothingWhenThrottled,
    HintsAtTheKey,
    IgnoresTheName,
    KeepsTheLock,
    LeavesDuplicates,
    ListsEveryone,
    ListsTheFinished,
    MakesAJobToCheck,
    MakesAJobToValidate,
    NeverConfirms,
    PutsTheKeyIntoTheMessage,
    RaisesOnUnknownDelete,
    ReadsForItsClaims,
    RefusesTheRepeat,
    RetriesEverything,
    SaysGoneTooSoon,
    ShowsTheKey,
    SpoilsTheBatch,
    TakesAnyField,
    TakesAnySetting,
)

CAUGHT_BY: list[tuple[Callable[[ToySystem], ToyHandler], str]] = [
    (IgnoresTheName, "test_create_is_found_by_name"),
    (RefusesTheRepeat, "test_repeated_create_makes_one_job"),
    (LeavesDuplicates, "test_repeated_create_makes_one_job"),
    (FindsByPrefix, "test_find_of_unknown_is_none"),
    (AnswersHalf, "test_get_answers_each_meta"),
    (CallsMissingFailed, "test_unknown_meta_is_not_found"),
    (SpoilsTheBatch, "test_unknown_meta_is_not_found"),
    (FailsWithoutReason, "test_failing_job_fails_with_a_reason"),
    (RetriesEverything, "test_failing_job_fails_with_a_reason"),
    (SaysGoneTooSoon, "test_delete_ends_a_running_job"),
    (DeletesByMetaOnly, "test_delete_ends_a_running_job"),
    (NeverConfirms, "test_delete_ends_a_running_job"),
    (RaisesOnUnknownDelete, "test_delete_of_unknown_is_absent"),
    (ClaimsToRemember, "test_delete_of_unknown_is_absent"),
    (ListsEveryone, "test_list_finds_ours_alone"),
    (ListsTheFinished, "test_list_finds_ours_alone"),
    (FattensTheMeta, "test_meta_is_small_bytes"),
    (PutsTheKeyIntoTheMessage, "test_no_secret_is_said"),
    (ShowsTheKey, "test_no_secret_is_said"),
    (CallsLostPermanent, "test_lost_create_answer_is_found_again"),
    (CallsThrottledUnavailable, "test_throttling_is_said_as_throttled"),
    (FindsNothingWhenThrottled, "test_throttled_find_is_no_answer"),
    (KeepsTheLock, "test_cancelled_call_leaves_the_handler_usable"),
    (MakesAJobToValidate, "test_validate_accepts_a_valid_request"),
    (DrawsItsLinks, "test_links_are_pure"),
    (ReadsForItsClaims, "test_claims_are_pure"),
    (HintsAtTheKey, "test_hint_is_pure"),
    (TakesAnyField, "test_spec_refuses_unknown_field"),
    (TakesAnySetting, "test_settings_are_modelled"),
    (MakesAJobToCheck, "test_check_finds_a_working_connection_in_order"),
    (ChecksNothing, "test_check_finds_a_working_connection_in_order"),
    (ChecksAloud, "test_check_finds_a_working_connection_in_order"),
]


async def _fails(make: Callable[[ToySystem], ToyHandler], check: str) -> bool:
    """Whether the check fails for the handler with some set of its parameters."""
    battery = HandlerBattery()
    method = getattr(battery, check)
    names = [*inspect.signature(method).parameters][1:]
    values = {"is_retryable": (False, True), "knows_meta": (True, False)}
    for value in values[names[0]] if names else (None,):
        unique = make is not LeavesDuplicates
        system = ToySystem(cancel_s=2.0, has_unique_names=unique)
        harness = toy_harness(system, make(system))
        try:
            await method(harness, **dict.fromkeys(names, value))
        except pytest.skip.Exception:
            continue
        # The battery may end in any way but a pass: a failed assertion, or what the broken handler raised.
        except (AssertionError, pytest.fail.Exception, Verdict, TimeoutError):
            return True
    return False


@pytest.mark.parametrize(("make", "check"), CAUGHT_BY, ids=lambda one: getattr(one, "__name__", str(one)))
async def test_planted_defect_is_caught(make: Callable[[ToySystem], ToyHandler], check: str) -> None:
    assert not await _fails(ToyHandler, check)
    assert await _fails(make, check)
