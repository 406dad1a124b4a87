"""The page about the witnesses says what each lacks, as the tests have it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.witness import bigquery_witness, moto_witness
from tests.witness.environments import ROOT


@pytest.mark.parametrize(
    "lacks", [bigquery_witness.LACKS, moto_witness.LACKS], ids=["local-bigquery", "moto"]
)
def test_the_page_has_each_gap_and_what_covers_it(lacks: Mapping[str, str]) -> None:
    page = (ROOT / "docs" / "witnesses.md").read_text()
    rows = [f"| {gap} | [{place.rsplit('/', 1)[1]}](../{place}) |" for gap, place in lacks.items()]
    assert [row for row in rows if row not in page] == []
