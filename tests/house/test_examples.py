"""Every call that the documentation shows over gRPC is a request, and its spec is one that the handler takes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from google.protobuf import json_format

from propwash.handlers.registry import Registry
from propwash.pb.v1 import execution_service_pb2 as pb
from propwash.pb.v1 import pool_service_pb2
from propwash.store.values import values_from_map

DOCS = Path(__file__).resolve().parents[2] / "docs"
CALL = re.compile(
    r"grpcurl -plaintext -d '(?P<body>[^']*)' \\\n\s+\S+ propwash\.v1\.ExecutionService/CreateExecution"
)
POOL_CALL = re.compile(r"grpcurl -plaintext -d '([^']*)'[\\\s]+\S+ propwash\.v1\.PoolService/(\w+)")
PAGES = sorted(DOCS.glob("handlers/*.md"))
CALLS = [(page.name, match["body"]) for page in PAGES for match in CALL.finditer(page.read_text())]


@pytest.fixture(scope="module")
def registry() -> Registry:
    made = runpy.run_path(str(DOCS / "generate.py"))["installed"]()
    assert isinstance(made, Registry)
    return made


@pytest.mark.parametrize(("page", "body"), CALLS, ids=[page for page, _ in CALLS])
def test_a_call_is_a_request_with_a_spec_of_its_handler(registry: Registry, page: str, body: str) -> None:
    request = json_format.Parse(body, pb.CreateExecutionRequest())
    execution = request.execution
    served = registry.served.get(execution.task_type)
    assert served is not None, f"{page}: nothing serves {execution.task_type}"
    spec = served.handler.spec_type.model_validate(values_from_map(execution.spec))
    named = {name.partition("[")[0] for name in execution.spec.entries}
    assert len(spec.model_fields_set) == len(named)


def test_every_call_for_pools_is_a_request_of_its_method() -> None:
    calls = POOL_CALL.findall((DOCS / "pools.md").read_text())
    methods = pool_service_pb2.DESCRIPTOR.services_by_name["PoolService"].methods_by_name
    assert len(calls) == 3
    for body, method in calls:
        request = getattr(pool_service_pb2, methods[method].input_type.name)
        json_format.Parse(body, request())


def test_every_page_of_a_handler_has_an_example_of_each_kind() -> None:
    lacking = {
        page.name: [
            word for word in ("propwash submit", "client.create(", "grpcurl") if word not in page.read_text()
        ]
        for page in PAGES
        if "connections" not in page.name
    }
    assert {name: words for name, words in lacking.items() if words} == {}
    assert {name for name, _ in CALLS} == set(lacking)
