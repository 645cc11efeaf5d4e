"""The objects of a bucket (S3, Google Cloud Storage), whose errors are sentences here.

An object is put whole or not at all, and readers see it at once; it can be put on the condition
that it was not there, or has not changed. All else is made of that.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fixfeed.io.buckets import sentence_of
from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.io.redaction import redact, redact_text

__all__ = ["EXTRAS", "Object", "Objects"]

EXTRAS = {"s3": "aws", "gs": "gcp"}
"""Scheme of a bucket -> the extra of the package that opens it."""

_TIMEOUT = "30s"  # of one attempt
_ATTEMPTS = 3
_PATIENCE = timedelta(seconds=10)  # no further attempt after that
_AT_ONCE = 50 << 20  # bytes; parts of what is larger are put one by one
_BUCKET = re.compile(r"[\w.-]+")
_ENDPOINT = re.compile(r"https?://[^/\s]+|$")
# What servers call what is wrong.
_CODE = re.compile(r"<Code>(\w+)</Code>|\"(?:reason|error)\":\s*\"(\w+)\"")
_NO_KEYS = re.compile(r"performing token request|service account file|credentials")


class Object(NamedTuple):
    """An object as it was got; `version` is for `Objects.update`."""

    content: bytes
    version: Any
    modified: datetime


class Objects:
    """The objects below a prefix of a bucket; can be pickled until it is used.

    Credentials and the address of the server come from the environment. All methods raise
    `SinkFailed` with what is wrong and what to do; it is `away` if it may pass.
    """

    def __init__(self, url: str):
        """Check the URL (s3://bucket/prefix/, gs://bucket/prefix/); nothing is opened."""
        self.name = redact(url)
        parts = urlsplit(url)
        self._scheme, self.bucket = parts.scheme, parts.netloc
        self._prefix = url.partition("://")[2].partition("/")[2].strip("/")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise SinkError(
                f"{self.name!r} has more than a bucket before its path: write "
                f"{self._scheme}://bucket/lake/, and give keys in the environment"
            )
        if not _BUCKET.fullmatch(self.bucket):
            raise SinkError(f"{self.name!r} names no bucket: write {self._scheme}://bucket/lake/")
        if self._scheme == "s3" and not _ENDPOINT.match(self._endpoint):
            raise SinkError(
                f"AWS_ENDPOINT_URL is {redact(self._endpoint)!r}: expected the address of a "
                "server, as in https://host:9000"
            )
        self._library()

    def _library(self) -> Any:
        """Return obstore, which a worker on another machine may lack."""
        try:
            import obstore
        except ImportError:
            raise SinkError(
                f"{self.name} needs another package: pip install 'fixfeed[{EXTRAS[self._scheme]}]'"
            ) from None
        return obstore

    @property
    def url(self) -> str:
        """The URL, without a slash at its end."""
        return "/".join(filter(None, (f"{self._scheme}://{self.bucket}", self._prefix)))

    @cached_property
    def _store(self) -> Any:
        from obstore.store import GCSStore, S3Store

        options: dict[str, Any] = {
            "prefix": self._prefix or None,
            "client_options": {"timeout": _TIMEOUT, "connect_timeout": "5s"},
            "retry_config": {"max_retries": _ATTEMPTS - 1, "retry_timeout": _PATIENCE},
        }
        if self._scheme == "gs":
            return GCSStore(self.bucket, **options)
        # Who names such a server means it.
        if self._endpoint.startswith("http://"):
            options["client_options"]["allow_http"] = True
        options |= _keys_of_boto3(self.name)
        return S3Store(self.bucket, **options)

    @property
    def _endpoint(self) -> str:
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        return next((os.environ[name] for name in names if os.environ.get(name)), "")

    def get(self, place: str) -> Object | None:
        """Return an object, None if it is not there."""
        obstore = self._library()
        with self._said(place):
            try:
                found = obstore.get(self._store, place)
                content = bytes(found.bytes())
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None
        return Object(content, _version(found.meta), found.meta["last_modified"])

    def create(self, place: str, content: bytes) -> Any:
        """Put an object that is not there; return its version, None if it is there.

        An attempt whose answer got lost may have put it: what has our content is ours.
        """
        return self._put(place, content, "create")

    def update(self, place: str, content: bytes, version: Any) -> Any:
        """Put an object in place of this version; return the new one, None if it has changed."""
        return self._put(place, content, version)

    def _put(self, place: str, content: bytes, mode: Any) -> Any:
        obstore = self._library()
        refused = obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError
        with self._said(place):
            try:
                return _version(obstore.put(self._store, place, content, mode=mode))
            except refused as error:
                self._check_bucket(error)
        found = self.get(place)
        return found.version if found and found.content == content else None

    def put(self, place: str, content: bytes | Path) -> None:
        """Put an object, whatever was there."""
        obstore = self._library()
        parts = isinstance(content, Path) and content.stat().st_size > _AT_ONCE
        with self._said(place):
            obstore.put(self._store, place, content, use_multipart=parts)

    def copy(self, place: str, target: str) -> None:
        """Copy an object, if it is there, whatever was at the target."""
        obstore = self._library()
        with self._said(place):
            try:
                obstore.copy(self._store, place, target)
            except FileNotFoundError as error:
                self._check_bucket(error)

    def delete(self, places: Iterable[str]) -> None:
        """Delete objects, those that are there."""
        obstore = self._library()
        found = list(places)
        if found:
            with self._said(found[0]):
                obstore.delete(self._store, found)

    def list(self, folder: str, after: str = "") -> Iterator[tuple[str, Any, datetime]]:
        """Yield place, version and time of the objects below a folder, those after a place."""
        obstore = self._library()
        with self._said(folder):
            for some in obstore.list(self._store, folder, offset=after or None, chunk_size=1000):
                for one in some:
                    yield one["path"], _version(one), one["last_modified"]

    def now(self, place: str) -> datetime:
        """Return the time of the server, which puts it on an object at `place`, which goes then."""
        self.put(place, b"%d" % time.time_ns())
        found = self.get(place)
        self.delete([place])
        if found is None:
            raise SinkFailed(f"{self.name}: what was put there is gone at once; run it again")
        return found.modified

    def _check_bucket(self, error: BaseException) -> None:
        """Raise what says that an object is not there, if its bucket is not there either."""
        if "NoSuchBucket" in str(error):
            raise SinkFailed(self._sentence("NoSuchBucket", "")) from None

    @contextmanager
    def _said(self, place: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except BaseError as error:
            text = str(error)
            found = _CODE.search(text)
            code = next(filter(None, found.groups()), "") if found else ""
            if isinstance(error, PermissionDeniedError | UnauthenticatedError):
                code = code or "AccessDenied"
            sentence = self._sentence(code, f"{self.url}/{place}")
            if sentence:
                raise SinkFailed(sentence) from None
            if self._scheme == "gs" and _NO_KEYS.search(text):
                raise SinkFailed(
                    f"there are no credentials for {self.name} ({_cause(text)}): name the file of "
                    "a service account in GOOGLE_APPLICATION_CREDENTIALS"
                ) from None
            raise SinkFailed(
                f"cannot reach {self.name}{self._at}: {_cause(text)}; check the address "
                f"({self._where_set}) and that the server runs: what is committed stays",
                away=True,
            ) from None
        except ValueError as error:  # credentials of Google that are no credentials
            raise SinkFailed(
                f"cannot open {self.name}: {_cause(str(error))}; check the credentials and the "
                f"address in the environment ({self._where_set})"
            ) from None

    def _sentence(self, code: str, place: str) -> str:
        """Return what a code of the server means for people, if that is known."""
        return sentence_of(
            code,
            self.bucket,
            at=self._at,
            name=self.name,
            place=place,
            rights="list the bucket, and to read, write and delete objects in it",
        )

    @property
    def _at(self) -> str:
        endpoint = self._endpoint if self._scheme == "s3" else ""
        return f" at {redact(endpoint)}" if endpoint else ""

    @property
    def _where_set(self) -> str:
        return "AWS_ENDPOINT_URL, AWS_REGION" if self._scheme == "s3" else "the network"


def _version(found: Any) -> dict[str, str]:
    return {name: found[name] for name in ("e_tag", "version") if found[name] is not None}


def _cause(text: str) -> str:
    """Return the beginning of what a library says, which goes on for pages."""
    first = (
        text.partition("\n\nDebug source")[0].partition("<")[0].rpartition(" - ")[2].strip(" :\n")
    )
    kind = re.search(r"kind: (\w+)", text)
    return redact_text(f"{first}{f' ({kind[1]})' if kind else ''}")[:400]


def _keys_of_boto3(name: str) -> dict[str, Any]:
    """Return the credentials and the region that boto3 finds, as for logs in S3, if it is there.

    So profiles, roles and single sign-on do as well.
    """
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return {}
    session = boto3.Session()
    if session.get_credentials() is None:
        raise SinkFailed(
            f"there are no credentials for {name}: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    found = Boto3CredentialProvider(session)
    return {"credential_provider": found}
