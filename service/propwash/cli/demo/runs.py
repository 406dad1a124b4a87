"""EMR's part of a demo: job runs on EMR Serverless and on EKS, steps on clusters, and clusters of a job's own."""

from __future__ import annotations

import random

from propwash.cli.demo.work import DURATION, FAIL_REASON, Kind, Work
from propwash.client import Phase, Value

SERVERLESS = "emr_serverless"
CONTAINERS = "emr_containers"
CLUSTER = "emr_cluster"
STEP = "emr_step"
APPLICATION = "00sandboxapp"
VIRTUAL_CLUSTER = "sandboxvc"
ROLE = "arn:aws:iam::000000000000:role/demo"
CLUSTERS = 10
"""A cluster takes 256 steps at once."""


def cluster(number: int) -> str:
    """The id of one of the clusters that the sandbox has from its start, 1-based."""
    return f"j-SANDBOX{number:08d}"


def _run(index: int, dice: random.Random, ms: int) -> Work:
    fails = dice.random() < 0.03
    labels = {DURATION: str(ms), **({FAIL_REASON: "USER_ERROR"} if fails else {})}
    driver: dict[str, Value]
    if dice.random() < 0.8:
        driver = {
            "spark_submit": {
                "entry_point": "s3://demo/visits.py",
                "entry_point_arguments": ["--day", "{{ .inputs.day }}"],
                "spark_submit_parameters": "--conf spark.executor.cores=2",
            }
        }
    else:
        driver = {"hive": {"query": "s3://demo/visits.sql", "parameters": "--hivevar day={{ .inputs.day }}"}}
    return Work(
        task_type=SERVERLESS,
        spec={"application_id": APPLICATION, "execution_role_arn": ROLE, "job_driver": driver},
        inputs={"day": index % 365},
        labels=labels,
        expected=Phase.FAILED if fails else Phase.SUCCEEDED,
    )


def _step(index: int, dice: random.Random, ms: int) -> Work:
    fails = dice.random() < 0.03
    arguments: list[Value] = [
        "s3://demo/visits.py",
        "{{ .inputs.day }}",
        f"--{DURATION}={ms}",
    ]
    if fails:
        arguments.append(f"--{FAIL_REASON}=USER_ERROR")
    return Work(
        task_type=STEP,
        spec={"cluster_id": cluster(1 + index % CLUSTERS), "spark_submit": arguments},
        inputs={"day": index % 365},
        expected=Phase.FAILED if fails else Phase.SUCCEEDED,
    )


def _pod(index: int, dice: random.Random, ms: int) -> Work:
    fails = dice.random() < 0.03
    program: dict[str, Value] = {
        "entry_point": "s3://demo/visits.py",
        "entry_point_arguments": ["--day", "{{ .inputs.day }}"],
    }
    return Work(
        task_type=CONTAINERS,
        spec={
            "virtual_cluster_id": VIRTUAL_CLUSTER,
            "execution_role_arn": ROLE,
            "release_label": "emr-7.5.0-latest",
            "job_driver": {"spark_submit_job_driver": program},
        },
        inputs={"day": index % 365},
        labels={DURATION: str(ms), **({FAIL_REASON: "USER_ERROR"} if fails else {})},
        expected=Phase.FAILED if fails else Phase.SUCCEEDED,
    )


def _cluster(_index: int, _dice: random.Random, ms: int) -> Work:
    return Work(
        task_type=CLUSTER,
        spec={
            "release_label": "emr-7.5.0",
            "instances": {"master_instance_type": "m5.xlarge", "instance_count": 1},
            "steps": [{"name": "visits", "hadoop_jar_step": {"jar": "s3://demo/visits.jar"}}],
        },
        labels={DURATION: str(ms)},
    )


RUNS = Kind(name="runs", share=10, draw=_run)
PODS = Kind(name="pods", share=7, draw=_pod)
STEPS = Kind(name="steps", share=11, draw=_step)
CLUSTERS_OF_THEIR_OWN = Kind(name="clusters", share=2, draw=_cluster)
