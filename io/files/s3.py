"""Asks a bucket of S3 once whether it answers, before Beam's file system does.

That asks again for five minutes, whatever is wrong, and says it in the words of Python (measured,
Beam 2.77).
"""

import re
from typing import Any

from fixfeed.io.buckets import sentence_of
from fixfeed.io.redaction import redact

__all__ = ["check_bucket"]

_SECONDS = 5  # until a server must be connected, twice that until it must answer
_ATTEMPTS = 2
_URL = re.compile(r"s3://(?P<bucket>[^/]*)/?(?P<begin>[^*?\[]*)")


def check_bucket(url: str, options: Any) -> None:
    """Raise `OSError` if a bucket cannot be listed; the text says why, and what to do.

    `url` may be a pattern. `options` are those of Beam's file systems (`PipelineOptions`). Nothing
    is checked without boto3, as Beam says that it is missing.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )
    except ImportError:
        return
    from apache_beam.options.pipeline_options import S3Options

    given = options.view_as(S3Options)
    named = _URL.match(url)
    assert named is not None
    try:
        client = boto3.Session().client(
            "s3",
            region_name=given.s3_region_name,
            api_version=given.s3_api_version,
            use_ssl=not given.s3_disable_ssl,
            verify=given.s3_verify,
            endpoint_url=given.s3_endpoint_url,
            aws_access_key_id=given.s3_access_key_id,
            aws_secret_access_key=given.s3_secret_access_key,
            aws_session_token=given.s3_session_token,
            config=Config(
                connect_timeout=_SECONDS,
                read_timeout=2 * _SECONDS,
                retries={"total_max_attempts": _ATTEMPTS},
            ),
        )
        client.list_objects_v2(Bucket=named["bucket"], Prefix=named["begin"], MaxKeys=1)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        text = sentence_of(
            code,
            named["bucket"],
            at=f" at {redact(client.meta.endpoint_url)}",
            name=redact(url),
            place=f"its list of {named['begin'] or 'objects'}",
            rights="list the bucket, and to read objects in it",
        )
        raise OSError(text or str(error)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise OSError(
            f"there are no credentials for {redact(url)}: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise OSError(
            f"{error}; check the address of the server (AWS_ENDPOINT_URL, AWS_REGION), and that it "
            "runs"
        ) from error
