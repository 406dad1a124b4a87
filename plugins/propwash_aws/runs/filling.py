"""Fills inputs into the texts of a job driver and of configurations, and makes the token of a run."""

from __future__ import annotations

from collections.abc import Mapping

from propwash.sdk import RemoteName, Value
from propwash_aws.templating import render


def filled(value: object, inputs: Mapping[str, Value], path: str) -> object:
    """The value with every text in it filled in, in lists and in the values of maps; raises Permanent INVALID_INPUTS
    with the path of the text.
    """
    if isinstance(value, str):
        return render(value, inputs, path)
    if isinstance(value, Mapping):
        return {key: filled(item, inputs, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, inputs, f"{path}[{number}]") for number, item in enumerate(value)]
    return value


def client_token(name: RemoteName) -> str:
    """The token of a run: its name, which is unique to the execution and attempt and at most 50 characters long.

    Source: StartJobRun of both APIs: at most 64 of letters, digits and ._-.
    """
    return name
