"""What servers of object stores call what is wrong, as sentences for people."""

__all__ = ["sentence_of"]

_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_REFUSED = ("AccessDenied", "Forbidden", "forbidden", "AllAccessDisabled")
_ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed")


def sentence_of(code: str, bucket: str, *, at: str, name: str, place: str, rights: str) -> str:
    """Return what a code of a server means and what to do, `` if that is not known.

    `at` names the server of the bucket, as in ` at http://host:9000`, or is ``; `name` is how the
    user named what is in the bucket, `place` what was asked for, and `rights` what is done there.

    >>> sentence_of("NoSuchBucket", "logs", at="", name="s3://logs/*", place="", rights="")
    'there is no bucket logs: make it, or name another in s3://logs/*'
    """
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket}{at}: make it, or name another in {name}"
    if code in _KEYS:
        return (
            f"{name}{at} does not take the credentials of this process ({code}): set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if they are "
            "temporary) to valid ones"
        )
    if code in _REFUSED:
        return (
            f"{name}{at} refuses access to {place}: the credentials of this process need the "
            f"rights to {rights}"
        )
    if code in _ELSEWHERE:
        return f"the bucket {bucket}{at} is in another region ({code}): name that in AWS_REGION"
    return ""
