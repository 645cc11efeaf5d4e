"""All settings of a run that decide what is stored of a message."""

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import apache_beam as beam

from fixfeed.pipelines.deriving_by import read_anomalies, read_copied
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.settings import Settings
from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.enrich import Enrich, Lookup, enrich_batch
from fixfeed.transforms.filter import Filter
from fixfeed.transforms.fix.dictionary.choose import Dictionaries
from fixfeed.transforms.fix.dictionary.own import read_dictionaries
from fixfeed.transforms.fix.prefix.log_format import read_log_format
from fixfeed.transforms.fix.protocol import Fix
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.rules.language import Rule, parse_rule
from fixfeed.transforms.fix.secrets.masking import Masking, read_masking
from fixfeed.transforms.keep import filter_batch
from fixfeed.transforms.parse import Parse
from fixfeed.transforms.protocol import Protocol

__all__ = ["Rules"]

_PARTIES = {49: "SenderCompID", 56: "TargetCompID"}


class Rules:
    """The settings of a run for messages, as finished objects.

    `protocol` is FIX as this run reads it; `steps` are the steps between parser and sinks, each
    with its label; `digest` identifies these rules.
    """

    def __init__(self, settings: Settings):
        """Read the files that the settings name.

        Raises `UsageError`, `DictionaryError`, `MaskingError`, `LogFormatError`, `RuleError` or
        `LookupFileError` for what cannot be understood.
        """
        self.validate = settings.validate
        self.no_admin = settings.no_admin
        self.dictionaries = read_dictionaries(settings.dictionary, settings.default_appl_ver_id)
        self.dictionary_texts = settings.dictionary
        self.masking = _masking(settings, self.dictionaries)
        self.log = read_log_format(
            captured_at=settings.captured_at,
            time_zone=settings.log_time_zone,
            we_are=settings.we_are,
        )
        hidden = [name for tag, name in _PARTIES.items() if tag in self.masking.tags]
        if settings.we_are and hidden:
            raise UsageError(
                f"--we-are compares with {hidden[0]}, which --mask hides: it would find nothing; "
                "leave out one of them"
            )
        self.protocol = Fix(
            Reading(validate=self.validate, dictionaries=self.dictionaries, masking=self.masking),
            self.log,
            settings.delimiter,
            read_anomalies(settings.anomalies),
            read_copied(settings.drop_copy),
        )
        self.lookups = [_lookup(text, self.protocol) for text in settings.lookup]
        own_names = self.dictionaries.own_names
        self._include = [parse_rule(rule, own_names) for rule in settings.include]
        self._exclude = [parse_rule(rule, own_names) for rule in settings.exclude]
        messages = Filter(
            include=self._include,
            exclude=self._exclude,
            admin=not settings.no_admin,
            dictionaries=self.dictionaries,
            masking=self.masking,
        )
        enrich = Enrich(
            names=settings.names,
            lookups=self.lookups,
            masking=self.masking,
            protocol=self.protocol,
        )
        self.steps: list[tuple[str, beam.PTransform]] = [("Filter", messages), ("Enrich", enrich)]
        if _asks_for_enriched((*self._include, *self._exclude), self.lookups):
            self.steps.reverse()
        parts = [
            version("fixfeed"),
            self.protocol.digest,
            *settings.include,
            "exclude",
            *settings.exclude,
            str(settings.no_admin),
            *(lookup.digest for lookup in self.lookups),
        ]
        self.digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def read(self, block: Block) -> Batch:
        """Return the batch that is stored of a block."""
        batch = self.protocol.parse(block)
        if self.lookups:
            now = datetime.datetime.now(datetime.UTC)
            batch = enrich_batch(batch, ingested_at=now, lookups=self.lookups)
        return filter_batch(
            batch, include=self._include, exclude=self._exclude, admin=not self.no_admin
        )

    def parse(self, *, fix_json: bool) -> Parse:
        """Return the parser; with `fix_json` it also gives whole messages as JSON."""
        reading = self.protocol.reading._replace(fix_json=fix_json)
        return Parse(dataclasses.replace(self.protocol, reading=reading))


def _masking(settings: Settings, dictionaries: Dictionaries) -> Masking:
    key = b""
    path = settings.mask_key_file
    if path is not None:
        try:
            key = Path(path).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(f"mask-key-file {path}: {error.strerror}") from error
        if not key:
            raise UsageError(f"mask-key-file {path} is empty, expected the key of the hashes")
    return read_masking(settings.mask, key=key, own_names=dictionaries.own_names)


def _asks_for_enriched(rules: Sequence[Rule], lookups: Sequence[Lookup]) -> bool:
    """Return whether rules ask about lookup results; refuse rules on columns not filled yet."""
    for rule in rules:
        if "ingested_at" in rule.columns:
            raise UsageError(
                f"the rule {rule.text!r} asks about ingested_at, which is the time of the run "
                "itself; expected another column, such as captured_at or SendingTime"
            )
        if "enriched" in rule.columns and not lookups:
            raise UsageError(
                f"the rule {rule.text!r} asks about enriched, which is what lookups add; name one "
                "with --lookup FILE:COLUMN"
            )
    return any("enriched" in rule.columns for rule in rules)


def _lookup(text: str, protocol: Protocol) -> Lookup:
    path, separator, column = text.rpartition(":")
    if not separator or not path:
        raise UsageError(f"lookup is {text!r}, expected FILE:COLUMN, as in symbols.csv:symbol")
    return Lookup.read(path, on=column, protocol=protocol)
