"""Topics of Kafka in pipelines of one's own: the URIs are those of the job."""

import warnings
from collections.abc import Callable, Mapping, Sequence

import apache_beam as beam

from fixfeed.io.commit import Run
from fixfeed.io.ledger.ledger import Ledger, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import ReadFromFeed, Stored
from fixfeed.pipelines.kafka_input import KAFKA_WORDS
from fixfeed.pipelines.kafka_output import destination_of
from fixfeed.pipelines.looked_up import LookedUp
from fixfeed.pipelines.plan import done_in_all
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol, default_protocol

__all__ = ["ReadFromKafka", "WriteToKafka"]

_LONGEST = 64 << 20


class ReadFromKafka(beam.PTransform):
    """Read topics until it is to stop: `PBegin` to `PCollection[Block]`. Unbounded.

    Records are cut and placed as the job does it (docs/connectors.md): any number of messages in
    each, and positions that are the same whenever a record is read, so sinks store each once. A
    block that is lost before it is stored comes again. Key, headers and time of a record go with
    its messages.

    Brokers are asked when the pipeline is made, and waited for while they are away. It raises
    `KafkaTrouble` then if they refuse, or there is no such topic. What goes wrong later is a
    warning, and is tried again.

    It is read in the process that made it: by Beam's `FnApiRunner`, with one worker.

    Args:
      uri: `kafka://host:9092/fix.raw?group=fixfeed`, with the parameters of the job's input.
      stop: Returns whether to stop. What has come by then goes on to the sinks, and is stored.
      ledgers: Those of the sinks, prepared (`open_store(uri)`): what all of them have is not read
        again, and the group is told what they have. Without any, each run reads all from the
        beginning, or from where the URI says; sinks leave out what they have.
      rules: The rules of the run (`Run.rules`).
      protocol: That of the messages, FIX if none is named.
      longest: The largest number of bytes of a message; longer ones are failures.

    Raises `ValueError` for a URI that cannot be understood, and `ModuleNotFoundError` without the
    extra `kafka`.
    """

    def __init__(
        self,
        uri: str,
        stop: Callable[[], bool],
        *,
        ledgers: Sequence[Ledger] = (),
        rules: str = "",
        protocol: Protocol | None = None,
        longest: int = _LONGEST,
    ):
        """Read the URI; nothing is connected."""
        from fixfeed.io.kafka.address import read_uri
        from fixfeed.io.kafka.topics import OURS

        super().__init__()
        self._address = read_uri(uri, own=KAFKA_WORDS, ours=OURS)
        self._protocol = protocol or default_protocol()
        self._stored = _Stored(ledgers, rules)
        self._stop = stop
        self._longest = longest

    def expand(self, begin: beam.pvalue.PBegin):
        """Connect, and read."""
        from fixfeed.io.kafka.topics import KafkaTopics

        feed = KafkaTopics(
            self._address,
            self._protocol,
            self._stored,
            stop=self._stop,
            say=lambda text: warnings.warn(text, stacklevel=2),
            away=lambda _: None,
            longest=self._longest,
        )
        return begin | ReadFromFeed(feed)

    def display_data(self):
        """Show what is read, without passwords."""
        return {"place": self._address.shown}


class WriteToKafka(beam.PTransform):
    """Send each batch (`PCollection[Batch]`) to topics of Kafka, no message less than once.

    It is the job's output (docs/connectors.md): a record a message, as a JSON line or as it came,
    failures in a topic of their own, and `TOPIC.progress`, which remembers what was sent. Once it
    is committed there, a message is not sent again, by whatever run; what was sent by a commit that
    did not come to its end is sent again under the same `source` and `position`. With
    `transactions=true` readers of committed records see each message once.

    JSON lines want batches of `ParseFix(fix_json=True)`; `format=raw` takes any.

    A bundle fails with `SinkFailed` if topics are missing (without `create=true`) or may not be
    used, or the brokers do not take the records within two minutes; with `SinkError` if another job
    has begun to write there with transactions; and with `ValueError` if batches lack the input of
    lines.

    Args:
      uri: `kafka://host:9092/fix.messages?key=cl_ord_id`, with the parameters of the job's output.
        With `transactions=true` one worker writes.
      run: Details of the run besides its batches, if there are any.
      protocol: That of the batches, FIX if none is named.

    Raises `ValueError` for a URI that cannot be understood, and `ModuleNotFoundError` without the
    extra `kafka`.
    """

    def __init__(self, uri: str, run: Run | None = None, *, protocol: Protocol | None = None):
        """Read the URI, and the files that it names; nothing is connected."""
        from fixfeed.io.kafka.sink import WriteToKafka as Sink

        super().__init__()
        self._destination = destination_of(uri, protocol or default_protocol())
        self._sink = Sink(self._destination, run, protocol=protocol)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | self._sink

    def display_data(self):
        """Show where the batches go, without passwords."""
        return {"place": self._destination.place}


class _Stored(LookedUp, Stored):
    """What ledgers have of sources (`io.stream.Stored`)."""

    # What a sink has it leaves out by itself, so nothing has to be read by a group's offsets.
    remember = True

    def done(self, sources: Sequence[Source]) -> Mapping[str, Sequence[Stretch]]:
        """See `Stored`."""
        known = [
            one.register(sources, rules=self._rules) for one in self._ledgers if one is not None
        ]
        return done_in_all(sources, known)
