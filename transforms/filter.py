"""Keep the messages that are asked for, and count the others."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.metrics import Metrics

from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking
from fixfeed.transforms.keep import Rule, filter_batch, read_rules

__all__ = ["Filter"]


class Filter(beam.PTransform):
    """Keep the messages asked for: `PCollection[Batch]` to `PCollection[Batch]`, one for one.

        batches | Filter(include=["MsgType in D,8 and Symbol = AAPL"], admin=False)

    A message stays if it meets any rule of `include` (all stay if there is none) and no rule of
    `exclude`. The others are added to `filtered` of their batch and to the counter `filtered`, so
    that counts still add up. Rows of `children` go with their messages; failures stay untouched. A
    batch that loses nothing stays as it is. Bounded or not, windows and timestamps pass through.

    Args:
      include: Rules: texts in the language of FIX (`transforms.fix.rules.language`), or anything
        with `mask` (`Rule`), for messages of any protocol. Those over `enriched` or `ingested_at`
        need `Enrich` before this step.
      exclude: Rules for what is removed; they win over `include`.
      admin: Whether the messages of FIX's session layer (Logon, Heartbeat ...) stay.
      dictionaries: Those that the messages were read by; texts of rules may use the names in them.
      masking: That of the messages. Rules see what is stored, so a rule over a field that is
        masked, hashed or dropped would guess.

    Raises:
      RuleError: A rule cannot be read, or would guess.
    """

    def __init__(
        self,
        *,
        include: Sequence[str | Rule] = (),
        exclude: Sequence[str | Rule] = (),
        admin: bool = True,
        dictionaries: Dictionaries = BUILT_IN,
        masking: Masking = DEFAULT,
    ):
        """Read the rules."""
        super().__init__()
        self._include = read_rules(include, dictionaries, masking)
        self._exclude = read_rules(exclude, dictionaries, masking)
        self._admin = admin

    def expand(self, batches: beam.PCollection[Batch]):
        """Apply the rules to each batch."""
        return batches | "Filter" >> beam.Map(self._filter).with_output_types(Batch)

    def _filter(self, batch: Batch) -> Batch:
        kept = filter_batch(batch, include=self._include, exclude=self._exclude, admin=self._admin)
        Metrics.counter(Filter, "filtered").inc(kept.filtered - batch.filtered)
        return kept
