"""Resource names: taken apart, checked, and made."""

from __future__ import annotations

import base64
import hashlib
import os
import re

from propwash.api.errors import ApiError, invalid
from propwash.api.reasons import Reason
from propwash.core.pool import POOL_NAME_FORM, TEMPLATE_NAME_FORM, is_pool_name, is_template_name
from propwash.ports import ExecutionName, Scope

PART_RULE = "1 to 63 of [a-z0-9-], beginning with a letter or digit and not ending with a dash"
POOL_RULE = f"{POOL_NAME_FORM}; for a template {TEMPLATE_NAME_FORM}"
_PART = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SCOPE_PART = rf"(?:{_PART}|-)"
_ID = re.compile(_PART)
_PARENT = re.compile(rf"projects/({_PART})/domains/({_PART})")
_SCOPE = re.compile(rf"projects/({_SCOPE_PART})/domains/({_SCOPE_PART})")
_NAME = re.compile(rf"projects/({_PART})/domains/({_PART})/executions/({_PART})")
_HANDLER = re.compile(r"handlers/([!-~]{1,255})")


def parse_name(text: str, path: str = "name") -> ExecutionName:
    """An execution's name; raises ApiError NAME_MALFORMED or FIELD_REQUIRED for the field at path."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise _malformed(text, path, "projects/{project}/domains/{domain}/executions/{execution}")
    return ExecutionName(match[1], match[2], match[3])


def parse_parent(text: str, path: str = "parent") -> tuple[str, str]:
    """Project and domain, without wildcards; raises as parse_name does."""
    match = _PARENT.fullmatch(text)
    if match is None:
        raise _malformed(text, path, "projects/{project}/domains/{domain}")
    return match[1], match[2]


def parse_scope(text: str, path: str = "parent") -> Scope:
    """A parent in which - stands for any project or domain; raises as parse_name does."""
    match = _SCOPE.fullmatch(text)
    if match is None:
        raise _malformed(text, path, "projects/{project}/domains/{domain}, - for any")
    return Scope(project=None if match[1] == "-" else match[1], domain=None if match[2] == "-" else match[2])


def parse_handler(text: str, path: str = "name") -> str:
    """The task type in a handler's name; raises as parse_name does."""
    match = _HANDLER.fullmatch(text)
    if match is None:
        raise _malformed(text, path, "handlers/{task_type}")
    return match[1]


def parse_pool(text: str, path: str = "name") -> str:
    """The pool in a pool's name; raises as parse_name does."""
    prefix, _, pool = text.partition("/")
    if not text:
        raise invalid(path, "is required, of the form pools/{pool}", Reason.FIELD_REQUIRED)
    if prefix != "pools" or not is_pool(pool):
        raise invalid(path, f"must be pools/{{pool}}, the pool {POOL_RULE}", Reason.NAME_MALFORMED)
    return pool


def check_pool(text: str, path: str) -> str:
    """A pool's own name, as given by a client; raises as parse_name does."""
    if not text:
        raise invalid(path, f"is required: {POOL_RULE}", Reason.FIELD_REQUIRED)
    if not is_pool(text):
        raise invalid(path, f"must be {POOL_RULE}", Reason.NAME_MALFORMED)
    return text


def is_pool(text: str) -> bool:
    """Whether a text can be the name of a pool or of a template."""
    return is_pool_name(text) or is_template_name(text)


def pool_resource(pool: str) -> str:
    """The resource name of a pool."""
    return f"pools/{pool}"


def is_part(text: str) -> bool:
    """Whether a text can be a project, a domain or the last part of an execution's name."""
    return _ID.fullmatch(text) is not None


def check_id(text: str, path: str) -> str:
    """The last part of a name, as given by a client; raises ApiError NAME_MALFORMED."""
    if not is_part(text):
        raise invalid(path, f"must be {PART_RULE}", Reason.NAME_MALFORMED)
    return text


def is_in(name: ExecutionName, scope: Scope) -> bool:
    """Whether the scope contains the name."""
    return scope.project in (None, name.project) and scope.domain in (None, name.domain)


def make_id(parent: tuple[str, str], request_id: str) -> str:
    """An id for an execution whose client gave none: drawn, or derived where there is a request id."""
    if request_id:
        raw = hashlib.blake2b(
            "\x00".join((*parent, request_id)).encode(), digest_size=15, person=b"pw-exec-id"
        ).digest()
    else:
        raw = os.urandom(15)
    return base64.b32encode(raw).decode().lower()


def _malformed(text: str, path: str, form: str) -> ApiError:
    if not text:
        return invalid(path, f"is required, of the form {form}", Reason.FIELD_REQUIRED)
    return invalid(path, f"must be {form}, each part {PART_RULE}", Reason.NAME_MALFORMED)
