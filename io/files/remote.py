"""Files of other machines: whatever Beam's FileSystems open (s3://, gs://, hdfs://).

Beam is imported here when a URL is used, and nowhere else in the reading of files. Its errors are
`OSError`, and `ValueError` for a scheme whose extra is not installed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from fixfeed.io.files.s3 import check_bucket

__all__ = ["EXTRAS", "is_remote", "match", "open_file", "set_options"]

EXTRAS: Mapping[str, str] = {"s3": "aws", "gs": "gcp", "hdfs": "hadoop"}
"""The extra of the package that opens the URLs of a scheme."""

_NOT_INSTALLED = ("Missing boto3", "Unable to get filesystem", "apache-beam[")


def is_remote(path: str) -> bool:
    """Return whether a path is a URL."""
    return "://" in path


def match(pattern: str) -> list[str]:
    """Return the URLs that match a pattern."""
    with _installed(pattern):
        if pattern.startswith("s3://"):
            check_bucket(pattern, _options())
        return [found.path for found in _file_systems().match([pattern])[0].metadata_list]


def open_file(url: str) -> BinaryIO:
    """Open a file as it is stored."""
    with _installed(url):
        return _file_systems().open(url, compression_type="uncompressed")


def set_options(options: Sequence[str]) -> None:
    """Set the options of Beam's file systems in this process."""
    from apache_beam.options.pipeline_options import PipelineOptions

    _file_systems().set_options(PipelineOptions(list(options)))


def _options() -> Any:
    from apache_beam.options.pipeline_options import PipelineOptions

    return _file_systems()._pipeline_options or PipelineOptions([])


@contextmanager
def _installed(url: str) -> Iterator[None]:
    """Say which extra is missing, if one is."""
    try:
        yield
    except Exception as error:
        extra = EXTRAS.get(url.partition("://")[0])
        if extra and any(text in str(error) for text in _NOT_INSTALLED):
            raise OSError(f"needs another package: pip install 'fixfeed[{extra}]'") from error
        raise


def _file_systems() -> Any:
    from apache_beam.io.filesystems import FileSystems

    return FileSystems
