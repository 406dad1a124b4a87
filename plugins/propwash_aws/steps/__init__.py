"""The task type emr_step: one step on an EMR cluster that exists."""

from propwash_aws.steps.handler import StepHandler

__all__ = ["StepHandler"]
