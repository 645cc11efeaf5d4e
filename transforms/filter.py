"""Keep the messages that are asked for, and count the others."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.rules.hidden import hidden_from_rule
from fixfeed.transforms.fix.rules.language import Rule as FixRule
from fixfeed.transforms.fix.rules.language import RuleError, parse_rule
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking

__all__ = ["Filter", "Rule", "filter_batch"]


class Rule(Protocol):
    """Decides which messages are meant. It can be pickled."""

    def mask(self, messages: pa.RecordBatch) -> pa.BooleanArray:
        """Return whether each row of `messages` is meant; no nulls."""


class Filter(beam.PTransform):
    """Keep the messages asked for: `PCollection[Batch]` to `PCollection[Batch]`, one for one.

        batches | Filter(include=["MsgType in D,8 and Symbol = AAPL"], admin=False)

    A message stays if it meets any rule of `include` (all stay if there is none) and no rule of
    `exclude`. The others are added to `filtered` of their batch and to the counter `filtered`, so
    that counts still add up; failures stay untouched. A batch that loses nothing stays as it is.
    Bounded or not, windows and timestamps pass through.

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
        own_names = dictionaries.own_names
        self._include = [_read(rule, own_names) for rule in include]
        self._exclude = [_read(rule, own_names) for rule in exclude]
        self._admin = admin
        for rule in (*self._include, *self._exclude):
            why = hidden_from_rule(rule, masking, own_names) if isinstance(rule, FixRule) else None
            if why:
                raise RuleError(why)

    def expand(self, batches: beam.PCollection[Batch]):
        """Apply the rules to each batch."""
        return batches | "Filter" >> beam.Map(self._filter).with_output_types(Batch)

    def _filter(self, batch: Batch) -> Batch:
        kept = filter_batch(batch, include=self._include, exclude=self._exclude, admin=self._admin)
        Metrics.counter(Filter, "filtered").inc(kept.filtered - batch.filtered)
        return kept


def filter_batch(
    batch: Batch,
    *,
    include: Sequence[Rule] = (),
    exclude: Sequence[Rule] = (),
    admin: bool = True,
) -> Batch:
    """Return `batch` without the messages to be removed; they are counted as `filtered`.

    See `Filter` for which ones those are. If there are none, the result is `batch` itself.
    """
    messages = batch.messages
    keep = np.ones(messages.num_rows, bool)
    if not admin:
        values = pa.array(sorted(merged().admin), pa.string())
        keep &= ~_mask(pc.is_in(messages.column("msg_type"), value_set=values))
    if include:
        keep &= np.logical_or.reduce([_mask(rule.mask(messages)) for rule in include])
    for rule in exclude:
        keep &= ~_mask(rule.mask(messages))
    if keep.all():
        return batch
    kept = messages.filter(pa.array(keep))
    gone = messages.num_rows - kept.num_rows
    return dataclasses.replace(batch, messages=kept, filtered=batch.filtered + gone)


def _mask(found: pa.BooleanArray) -> np.ndarray:
    return found.to_numpy(zero_copy_only=False)


def _read(rule: str | Rule, own_names: Mapping[int, str]) -> Rule:
    return parse_rule(rule, own_names) if isinstance(rule, str) else rule
