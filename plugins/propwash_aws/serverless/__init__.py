"""EMR Serverless: job runs on an application."""

from propwash_aws.serverless.handler import ServerlessHandler

__all__ = ["ServerlessHandler"]
