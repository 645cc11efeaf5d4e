"""Which messages of a batch are kept: plain functions, without Beam."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.rules.hidden import check_rule
from fixfeed.transforms.fix.rules.language import Rule as FixRule
from fixfeed.transforms.fix.rules.language import parse_rule
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking
from fixfeed.transforms.protocol import Rule

__all__ = ["Rule", "filter_batch", "read_rules"]


def read_rules(
    rules: Sequence[str | Rule],
    dictionaries: Dictionaries = BUILT_IN,
    masking: Masking = DEFAULT,
) -> list[Rule]:
    """Return rules as objects; texts are in the language of FIX.

    `dictionaries` and `masking` are those of the messages. Raises `RuleError` for a text that
    cannot be read, or that would guess, as it asks about what is masked.
    """
    own_names = dictionaries.own_names
    read = [parse_rule(rule, own_names) if isinstance(rule, str) else rule for rule in rules]
    for rule in read:
        if isinstance(rule, FixRule):
            check_rule(rule, masking, own_names)
    return read


def filter_batch(
    batch: Batch,
    *,
    include: Sequence[Rule] = (),
    exclude: Sequence[Rule] = (),
    admin: bool = True,
) -> Batch:
    """Return `batch` without the messages to be removed; they are counted as `filtered`.

    See `filter.Filter` for which ones those are. If there are none, the result is `batch` itself.
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
    return batch.only(pa.array(keep))


def _mask(found: pa.BooleanArray) -> np.ndarray:
    return found.to_numpy(zero_copy_only=False)
