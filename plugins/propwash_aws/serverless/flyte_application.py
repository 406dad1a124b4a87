"""The application that a task of Flyte's SDKs names or describes.

Source: flytekitplugins-awsemrserverless 1.16.31. A task that gives application_id means an application that exists, by
id or name, and what it says of it beyond the image is for making one; one that gives application_name alone describes
what it wants. The SDK writes its own default release for whoever names none.
"""

from __future__ import annotations

import re

from propwash.sdk import FlyteTask, Json, TemplateError
from propwash_aws.serverless.application_spec import IMAGE_PATTERN

APPLICATION = {
    "application_name": "name",
    "release_label": "releaseLabel",
    "architecture": "architecture",
    "initial_capacity": "initialCapacity",
    "maximum_capacity": "maximumCapacity",
    "network_configuration": "networkConfiguration",
    "image_configuration": "imageConfiguration",
    "auto_stop_config": "autoStopConfiguration",
    "runtime_configuration": "runtimeConfiguration",
    "scheduler_configuration": "schedulerConfiguration",
}
"""What describes the application, by the API's names."""
DEFAULT_RELEASE = "emr-7.0.0"
_IMAGE = "imageConfiguration"


def application_of(task: FlyteTask, *, is_command: bool) -> dict[str, Json]:
    """The fields of the spec that are about the application; raises TemplateError."""
    custom = task.custom
    named, name = custom.get("application_id"), custom.get("application_name")
    if not named and not name:
        raise TemplateError(
            "custom.application_id: is missing, and should name an application that exists; or application_name one "
            "that is to be made"
        )
    is_synced = bool(custom.get("sync_image", True))
    described = {to: custom[of] for of, to in APPLICATION.items() if custom.get(of)}
    if image := _image(task, is_command=is_command, is_synced=is_synced, is_named=bool(named)):
        described[_IMAGE] = image
    if not named:
        described["ifDifferent"] = "UPDATE" if is_synced else "REFUSE"
        if tags := custom.get("tags"):
            described["tags"] = tags
        # Whoever says nothing means the SDK's default.
        return {"application": {"releaseLabel": DEFAULT_RELEASE, **described}}
    if described.get("releaseLabel") == DEFAULT_RELEASE:
        del described["releaseLabel"]
    if not described:
        return {"applicationId": named}
    return {
        "applicationId": named,
        "application": {**described, "ifDifferent": "UPDATE_IMAGE" if is_synced else "RUN"},
    }


def _image(task: FlyteTask, *, is_command: bool, is_synced: bool, is_named: bool) -> Json:
    given = task.custom.get("image_configuration")
    if given:
        return given
    image = task.container.image if task.container is not None else ""
    is_possible = re.fullmatch(IMAGE_PATTERN, image) is not None
    if is_command and not is_possible and (is_synced or not is_named):
        raise TemplateError(
            f"container.image: is {image[:200] or 'empty'}, and should be in a private registry of ECR, such as "
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/spark:v1, as EMR Serverless takes no other"
        )
    # A program runs in whatever image its application has, unless that is made for it.
    return {"imageUri": image} if is_possible and (is_command or not is_named) else None
