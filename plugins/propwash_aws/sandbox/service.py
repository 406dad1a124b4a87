"""The stand-in itself: five services on one port, told apart by path, or by X-Amz-Target where the path is bare."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from propwash.sandbox import Answer, Call, Fault, MethodClass, Route, Standing, World
from propwash_aws.sandbox import containers, serverless
from propwash_aws.sandbox.containers import Containers
from propwash_aws.sandbox.errors import AwsError, denied, ok, refusal
from propwash_aws.sandbox.objects import Objects
from propwash_aws.sandbox.runs import SYSTEM
from propwash_aws.sandbox.serverless import Serverless
from propwash_aws.sandbox.shapes import rest_input
from propwash_aws.sandbox.sts import Sts

_TARGET = "X-Amz-Target"
_EMR = "ElasticMapReduce."
_CREDENTIAL = re.compile(r"Credential=([A-Za-z0-9]+)/")

Operation = Callable[[Mapping[str, Any], Call], Mapping[str, Any]]


class JsonService(Protocol):
    """A service of the AWS JSON 1.1 protocol."""

    def answer(self, call: Call, operation: str, body: dict[str, Any]) -> Answer:
        """One call of an operation."""

    def classify(self, operation: str) -> MethodClass:
        """What an operation does."""

    def reset(self) -> None:
        """Forget all."""


class AwsStandIn:
    """EMR Serverless, EMR on EKS, EMR, STS and some of S3 in this process. Tests may change what the services hold."""

    name = SYSTEM

    def __init__(self, world: World, emr: JsonService) -> None:
        self.serverless = Serverless(world)
        self.containers = Containers(world)
        self.emr = emr
        self.objects = Objects()
        self._sts = Sts(world.clock)

    def routes(self) -> Sequence[Route]:
        """Every operation, the often used first, and an error for all else."""
        apps, clusters = self.serverless, self.containers
        app, run = "/applications/{applicationId}", "/applications/{applicationId}/jobruns/{jobRunId}"
        cluster, pod = (
            "/virtualclusters/{virtualClusterId}",
            "/virtualclusters/{virtualClusterId}/jobruns/{jobRunId}",
        )
        create, get, many = MethodClass.CREATE, MethodClass.GET, MethodClass.LIST
        end, other = MethodClass.DELETE, MethodClass.OTHER
        emr = Route(
            verb="POST", path="/", name="other", method=other, handle=self._bare, classify=self._classify
        )
        return [
            emr,
            _route(serverless.SERVICE, "StartJobRun", "POST", f"{app}/jobruns", create, apps.start_job_run),
            _route(serverless.SERVICE, "GetJobRun", "GET", run, get, apps.get_job_run),
            _route(serverless.SERVICE, "ListJobRuns", "GET", f"{app}/jobruns", many, apps.list_job_runs),
            _route(serverless.SERVICE, "CancelJobRun", "DELETE", run, end, apps.cancel_job_run),
            _route(
                serverless.SERVICE, "ListApplications", "GET", "/applications", other, apps.list_applications
            ),
            _route(
                serverless.SERVICE,
                "CreateApplication",
                "POST",
                "/applications",
                create,
                apps.create_application,
            ),
            _route(serverless.SERVICE, "GetApplication", "GET", app, other, apps.get_application),
            _route(serverless.SERVICE, "UpdateApplication", "PATCH", app, other, apps.update_application),
            _route(serverless.SERVICE, "DeleteApplication", "DELETE", app, other, apps.delete_application),
            _route(
                serverless.SERVICE, "StartApplication", "POST", f"{app}/start", other, apps.start_application
            ),
            _route(
                serverless.SERVICE, "StopApplication", "POST", f"{app}/stop", other, apps.stop_application
            ),
            _route(
                containers.SERVICE,
                "StartJobRun",
                "POST",
                f"{cluster}/jobruns",
                create,
                clusters.start_job_run,
            ),
            _route(containers.SERVICE, "DescribeJobRun", "GET", pod, get, clusters.describe_job_run),
            _route(
                containers.SERVICE, "ListJobRuns", "GET", f"{cluster}/jobruns", many, clusters.list_job_runs
            ),
            _route(containers.SERVICE, "CancelJobRun", "DELETE", pod, end, clusters.cancel_job_run),
            _route(
                containers.SERVICE,
                "ListVirtualClusters",
                "GET",
                "/virtualclusters",
                other,
                clusters.list_virtual_clusters,
            ),
            _route(
                containers.SERVICE,
                "CreateVirtualCluster",
                "POST",
                "/virtualclusters",
                other,
                clusters.create_virtual_cluster,
            ),
            _route(
                containers.SERVICE,
                "DescribeVirtualCluster",
                "GET",
                cluster,
                other,
                clusters.describe_virtual_cluster,
            ),
            _route(
                containers.SERVICE,
                "DeleteVirtualCluster",
                "DELETE",
                cluster,
                other,
                clusters.delete_virtual_cluster,
            ),
            *self.objects.routes(),
            *(
                Route(verb="*", path=path, name="unknown", method=other, handle=_unknown)
                for path in (
                    "/applications{rest:.*}",
                    "/virtualclusters{rest:.*}",
                    "/tags/{rest:.*}",
                    "/s3/{rest:.*}",
                )
            ),
        ]

    def refuse(self, fault: Fault) -> Answer:
        """AWS's own words for too many requests, for a quota and for failure."""
        return refusal(fault)

    def identity(self, call: Call) -> str | None:
        """The access key's id, by which the request is signed."""
        found = _CREDENTIAL.search(call.headers.get("Authorization", ""))
        return None if found is None else found[1]

    def deny(self, standing: Standing) -> Answer:
        """403 for a token that does not count, and for a caller without access."""
        return denied(standing)

    def reset(self) -> None:
        """Forget all but what is there from the start."""
        self.serverless.clear()
        self.containers.clear()
        self.emr.reset()
        self.objects.clear()

    async def close(self) -> None:
        """Nothing is held."""

    def _classify(self, call: Call) -> tuple[str, MethodClass]:
        target = call.headers.get(_TARGET, "")
        if not target.startswith(_EMR):
            return "sts", MethodClass.OTHER
        operation = target.removeprefix(_EMR)
        return f"emr.{operation}", self.emr.classify(operation)

    def _bare(self, call: Call) -> Answer:
        target = call.headers.get(_TARGET, "")
        if not target.startswith(_EMR):
            return self._sts.answer(call)
        try:
            body = json.loads(call.body or b"{}")
        except ValueError:
            return AwsError("SerializationException", "The body is not JSON").answer()
        if not isinstance(body, dict):
            return AwsError("SerializationException", "The body is not a JSON object").answer()
        return self.emr.answer(call, target.removeprefix(_EMR), body)


def _route(service: str, operation: str, verb: str, path: str, method: MethodClass, do: Operation) -> Route:
    def handle(call: Call) -> Answer:
        try:
            return ok(do(rest_input(service, operation, call), call))
        except AwsError as error:
            return error.answer()

    return Route(verb=verb, path=path, name=f"{service}.{operation}", method=method, handle=handle)


def _unknown(_call: Call) -> Answer:
    return AwsError("UnknownOperationException", "There is no such operation", status=404).answer()
