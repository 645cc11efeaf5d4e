"""Write batches to topics of Kafka: a record a message, as a JSON line or as it came.

    batches = blocks | ParseFix(fix_json=True)
    batches | WriteToKafka(destination)

The protocol makes a line of each message (`transforms.protocol.Table.lines`).
"""

import math
from functools import partial

import apache_beam as beam

from fixfeed.io.commit import CommitFn, Limits, Run
from fixfeed.io.kafka.destination import Destination
from fixfeed.io.kafka.routes import routed
from fixfeed.io.kafka.writer import KafkaWriter
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["WriteToKafka"]

_LIMITS = Limits(bytes=16 << 20, rows=50_000)


class WriteToKafka(beam.PTransform):
    """Send each batch (`PCollection[Batch]`) to topics of Kafka, no message less than once.

    Batches are gathered up to 16 MiB, for 5 seconds, or to the end of the bundle. A commit sends
    their messages and failures, waits until all brokers that have to have them do, and then writes
    their stretches to the topic of the ledger. Messages in a stretch that is done are left out one
    by one. What was sent by a commit that did not come to its end is sent again, under the same
    `source` and `position`, so a message may come twice. It comes once to a reader of committed
    records if the destination has transactions: then messages and stretches are sent in one.

    Messages that routes send nowhere are counted as filtered. A message that is larger than its
    topic takes is a failure, `too_large`. Records with the same key are in the order of batches.

    A bundle fails with `SinkFailed` if topics are missing or may not be used, or the brokers do not
    take the records within two minutes; with `SinkError` if another job has begun to write there
    with transactions; and with `ValueError` if batches lack the input of lines (in FIX, the column
    `fix_json`).

    Args:
      destination: The topics, and what is sent there. With transactions one worker writes.
      run: Details of the run besides its batches, if there are any. With `replace`, a batch with a
        part stored under other rules fails with `SinkError`, since records cannot be replaced.
      protocol: That of the batches, FIX if none is named.
      patience: For how many seconds brokers that do not answer are waited for until `again` of the
        run is asked. Without that, it is for as long as librdkafka tries.
    """

    def __init__(
        self,
        destination: Destination,
        run: Run | None = None,
        *,
        protocol: Protocol | None = None,
        patience: float = math.inf,
    ):
        """Store the parameters; nothing is connected before the pipeline runs."""
        super().__init__()
        self._destination = destination
        run = run or Run()
        make = partial(
            KafkaWriter,
            destination,
            protocol=protocol,
            patience=patience,
            counted_for=run.counted_for,
        )
        self._fn = CommitFn(make, run, _LIMITS, while_parsing=True)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        destination = self._destination
        if destination.routes:
            route = partial(routed, routes=destination.routes, topic=destination.topic)
            batches = batches | "Route" >> beam.Map(route).with_output_types(Batch)
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go, without passwords."""
        return {"place": self._destination.place}
