"""No password in the name of a place is shown, in any spelling."""

import pytest
from apache_beam.transforms.display import DisplayData

from fixfeed.io.files.find import find_files
from fixfeed.io.files.source import ReadFromFiles
from fixfeed.io.jsonl.sink import WriteToJsonLines
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.sink import WriteToParquet
from fixfeed.io.redaction import redact, redact_path, redact_text, without_secrets
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.sink import WriteToSql

SHOWN = {
    "postgresql://user:s3cr3t@host:5432/db": "postgresql://user:***@host:5432/db",
    "postgresql://h/db?password=s3cr3t": "postgresql://h/db?password=***",
    "postgresql://h/db?user=u&pass%77ord=s3cr3t&port=1": (
        "postgresql://h/db?user=u&pass%77ord=***&port=1"
    ),
    "postgresql://h/db?passfile=/p&sslpassword=s3#cr3t": (
        "postgresql://h/db?passfile=/p&sslpassword=***"
    ),
    "postgresql://h/db?password=s3&cr3t": "postgresql://h/db?password=***",
    "postgresql://h/db?password=s3 cr3t": "postgresql://h/db?password=***",
    "postgresql:/user:s3cr3t@host": "postgresql:/user:***@host",
    "postgresql:user:s3cr3t@host/db": "postgresql:user:***@host/db",
    "postgres//u:s3cr3t@h": "postgres//u:***@h",
    "//u:s3cr3t@h": "//u:***@h",
    "u:s3cr3t@h/db": "u:***@h/db",
    "postgresql://u:s3@cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:s3/cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:s3#cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:s3?cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:s3%cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:s3:cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:s3 cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://u:99/s3cr3t@h/db": "postgresql://u:***@h/db",
    "postgresql://joe@corp:s3cr3t@h/db": "postgresql://joe@corp:***@h/db",
    "postgresql://u:s3cr3t@[::1]:5432/db": "postgresql://u:***@[::1]:5432/db",
    "host=h password=s3cr3t dbname=db": "host=h password=*** dbname=db",
    r"host=h password = 's3 \' cr3t' dbname=db": "host=h password = *** dbname=db",
    "user=joe@x password=s3cr3t": "user=joe@x password=***",
    "sqlite:////a.db?password=s3cr3t": "sqlite:////a.db?password=***",
    "sqlite://u:s3cr3t@/x": "sqlite://u:***@/x",
    "jsonl:/u:s3cr3t@h/x": "jsonl:/u:***@h/x",
    "jsonl:https://u:s3cr3t@h/x": "jsonl:https://u:***@h/x",
    "parquet:s3://u:s3cr3t@b/x": "parquet:s3://u:***@b/x",
    "https://u:s3cr3t@host/day.log": "https://u:***@host/day.log",
    "kafka://h:9092/t?sasl.username=bob&sasl.pasword=s3cr3t&group=g": (
        "kafka://h:9092/t?sasl.username=bob&sasl.pasword=***&group=g"
    ),
    "kafka://h/t?sasl.jaas.config=org.X+required+password%3Ds3cr3t&fetch.min.bytes=1": (
        "kafka://h/t?sasl.jaas.config=***&fetch.min.bytes=1"
    ),
    "kafka://h/t?group=g&sasl.password:s3cr3t": "kafka://h/t?group=g&sasl.password***",
    "kafka://h/t?sasl.password:s3c=r3t&from=latest": "kafka://h/t?sasl.password***&from=latest",
    "kafka://h/t?sasl.password s3cr3t&group=g": "kafka://h/t?sasl.password***&group=g",
    "kafka://h/^t.*?group=g&sasl.password:s3cr3t": "kafka://h/^t.*?group=g&sasl.password***",
    "kafka://h/t?sals.pwrd=s3cr3t": "kafka://h/t?sals.pwrd=***",
    "kafka://h/t?ssl.key.pass%77ord=s3cr3t": "kafka://h/t?ssl.key.pass%77ord=***",
    "kafka://h/t?sasl.password=x&s3cr3t=1&group=g": "kafka://h/t?sasl.password=***&group=g",
    "kafka://h/t?sasl.password=x&s3cr3t.a=1&s3cr3t": "kafka://h/t?sasl.password=***",
    "kafka://h/t?ssl.key.location=-----BEGIN KEY-----s3cr3t": "kafka://h/t?ssl.key.location=***",
    "kafka://h/t?ssl.certificate.pem=s3cr3t": "kafka://h/t?ssl.certificate.pem=***",
    "https://h/day.log?X-Amz-Signature=s3cr3t&n=1": "https://h/day.log?X-Amz-Signature=***&n=1",
}
OPEN = [
    "kafka://h/t?sasl.password=${env:KAFKA_PASSWORD}&group=g",
    "sasl.password=${file:/run/secrets/kafka}",
    "postgresql://user@host/db",
    "postgresql://h:5432/db?passfile=/p&user=joe@corp",
    "postgresql://u@h1:5432,h2:5433/db?application_name=a@b",
    "postgresql://[fe80::1%25eth0]:5432/db?user=a@b",
    "sqlite:///day.db",
    "parquet:lake/",
    "jsonl:-",
    "s3://bucket/user@host/day.log",
    "kafka://h:9092,i:9092/fix.raw?group=g&security.protocol=SASL_SSL&sasl.username=u&from=latest",
    "kafka://h/t?ssl.ca.location=/ca.pem&ssl.key.location=/k.pem&topic.metadata.refresh.interval.ms=1",
    "kafka://h/^fix\\.v?.*,^a?(b|c)?d?from=2026-11-27T09:30",
    "logs/joe@host.log",
    "host=h passfile=/p dbname=db",
]


@pytest.mark.parametrize(("uri", "shown"), SHOWN.items())
def test_a_password_is_never_shown(uri, shown):
    assert redact(uri) == redact(shown) == shown


@pytest.mark.parametrize("uri", OPEN)
def test_a_name_without_a_password_is_unchanged(uri):
    assert redact(uri) == redact_text(uri) == uri


@pytest.mark.parametrize("uri", [uri for uri in SHOWN if " " not in uri])
def test_a_password_is_found_in_running_text(uri):
    for text in (f"cannot open {uri!r}: no", f"cannot open {uri} now", f"at\n  {uri}\nbelow"):
        shown = redact_text(text)
        assert "cr3t" not in shown
        assert (shown[:2], shown.split()[-1]) == (text[:2], text.split()[-1])


def test_a_file_name_without_a_scheme_stays_unchanged():
    assert redact_path("logs/10:30@host.log") == "logs/10:30@host.log"
    assert redact_path("https://u:s3cr3t@h/x") == "https://u:***@h/x"


def test_a_password_quoted_by_a_driver_is_hidden():
    said = without_secrets(
        'could not translate host name "ss@host" to address', "postgresql://u:p@ss@host/db"
    )
    assert said == 'could not translate host name "***" to address'
    uri = "postgresql://u:pw@host/db"
    assert without_secrets('host "host" is down', uri) == 'host "host" is down'


@pytest.mark.parametrize("uri", SHOWN)
def test_a_sink_that_cannot_be_opened_shows_no_password(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Nothing answers at port 1 of the loopback, and no name is resolved.
    uri = uri.replace("@host:5432", "@127.0.0.1:1").replace("@h/", "@127.0.0.1:1/")
    uri = uri.replace("//h/", "//127.0.0.1:1/").replace("]:5432", "]:1").replace("@h1", "@::1")
    if uri.startswith("sqlite:////"):
        uri = uri.replace("sqlite:////", "sqlite:////nowhere/")
    with pytest.raises(SinkError) as raised:
        open_store(uri)
    said = [str(raised.value), repr(raised.value.__cause__)]
    assert not any("cr3t" in text or "s3" in text.replace("s3:", "") for text in said)


def test_no_transform_shows_a_password_in_its_display_data(tmp_path):
    transforms = [
        WriteToSql("postgresql://u:s3cr3t@h/db?sslpassword=s3cr3t"),
        WriteToParquet(f"{tmp_path}/u:s3cr3t@h"),
        WriteToJsonLines(f"{tmp_path}/u:s3cr3t@h"),
    ]
    for transform in transforms:
        shown = DisplayData.create_from(transform).to_proto()
        assert "***" in str(shown)
        assert "s3cr3t" not in str(shown)


@pytest.mark.parametrize(
    "url", ["https://u:s3cr3t@h/day.log", "https:/u:s3cr3t@h/day.log", "x://h?password=s3cr3t"]
)
def test_an_unreadable_input_is_named_without_its_password(url):
    files, (unreadable,) = find_files([url])
    assert files == []
    assert "s3cr3t" not in unreadable.path + unreadable.reason
    assert redact(url) == unreadable.path
    with pytest.raises(FileNotFoundError) as raised:
        ReadFromFiles.matching([url])
    assert "s3cr3t" not in str(raised.value)
