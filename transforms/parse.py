"""Turn blocks of bytes into batches of messages and failures."""

import apache_beam as beam
from apache_beam.metrics import Metrics

import fixfeed.transforms.coders  # noqa: F401  (Beam carries batches by the coder that it registers)
from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries
from fixfeed.transforms.fix.prefix.log_format import USUAL_FORMAT, LogFormat
from fixfeed.transforms.fix.protocol import Fix
from fixfeed.transforms.fix.reading import FIELDS, VALIDATE, Reading
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking
from fixfeed.transforms.protocol import Protocol
from fixfeed.transforms.together import parsed_together

__all__ = ["Parse", "ParseFix"]


class Parse(beam.PTransform):
    """Parse each block: `PCollection[Block]` to `PCollection[Batch]`, one for one.

    A block that others are `together` with gives their batches as well, after its own.

    Every byte of a block comes out once: in a message, with its defects, in a failure, with its
    reason, or in a line counted as `skipped` because it holds no message. Input never makes it
    raise; an exception is a bug of ours and fails the bundle. Bounded or not, windows and
    timestamps pass through. The same block gives the same batch, so a bundle may run twice. Counts
    `messages`, `failures` and `skipped_lines`.

    `protocol` is that of the blocks, for those that take it after this: with dictionaries of
    counterparties, `Enrich` and sinks know the names of values from it.
    """

    def __init__(self, protocol: Protocol):
        """`protocol` is that of the blocks."""
        super().__init__()
        self.protocol = protocol

    def expand(self, blocks: beam.PCollection[Block]):
        """Apply the parser to each block."""
        return blocks | "Parse" >> beam.FlatMap(self._parse).with_output_types(Batch)

    def _parse(self, block: Block) -> list[Batch]:
        batches = parsed_together(self.protocol, block)
        counts = {
            "messages": sum(batch.messages.num_rows for batch in batches),
            "failures": sum(batch.failures.num_rows for batch in batches),
            "skipped_lines": sum(batch.skipped for batch in batches),
        }
        for name, count in counts.items():
            Metrics.counter(type(self), name).inc(count)
        return batches


class ParseFix(Parse):
    """Parse each block of FIX (`Parse`): `PCollection[Block]` to `PCollection[Batch]`.

        batches = pipeline | ReadFromFiles.matching(["logs/*.log.gz"]) | ParseFix()
        batches | WriteToSql("sqlite:///fixfeed.db")

    Args:
      fields: What the column `fields` holds: `rest`, the fields that have no exact column of their
        own, or `all`, for sinks that carry only the JSON.
      validate: The defects that are looked for beyond those of reading: `off`, none; `structure`,
        the order of header, body and trailer, repeated tags and groups; `dictionary`, that and
        tags, required fields, types and enumerated values.
      dictionaries: What messages are read by: the built-in dictionaries of the versions of FIX, or
        counterparties' own in their place.
      masking: The tags whose values never leave the parser (by default passwords and user names),
        and what takes their place.
      fix_json: Whether messages have the column `fix_json` after those of the schema: the whole
        message in the FIX JSON encoding.
      log: How to read the text before messages, for `captured_at` and `direction`.

    Raises:
      ValueError: `fields` or `validate` is none of these words.
    """

    def __init__(
        self,
        *,
        fields: str = "rest",
        validate: str = "structure",
        dictionaries: Dictionaries = BUILT_IN,
        masking: Masking = DEFAULT,
        fix_json: bool = False,
        log: LogFormat = USUAL_FORMAT,
    ):
        """Store and check the parameters."""
        if fields not in FIELDS:
            raise ValueError(f"fields is {fields!r}, expected one of {', '.join(FIELDS)}")
        if validate not in VALIDATE:
            raise ValueError(f"validate is {validate!r}, expected one of {', '.join(VALIDATE)}")
        super().__init__(Fix(Reading(fields, validate, dictionaries, fix_json, masking), log))
