"""All that decides what is stored of a message, as a run was told."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import apache_beam as beam

from pipelines.dictionaries import read_dictionaries
from pipelines.options import Settings, UsageError
from transforms.enrich import Enrich, Lookup
from transforms.filter import Filter
from transforms.fix.choice import Dictionaries
from transforms.fix.log_format import read_log_format
from transforms.fix.masking import Masking, read_masking
from transforms.parse import ParseFix

__all__ = ["Rules"]


class Rules:
    """The settings of a run that are about messages, as finished objects.

    `steps` are what batches go through between parser and sinks, each with its label; `digest`
    tells these rules from others.
    """

    def __init__(self, settings: Settings):
        """Read the files that settings name.

        Raises `UsageError`, `DictionaryError`, `MaskingError`, `LogFormatError`, `RuleError` or
        `LookupFileError` for what cannot be understood.
        """
        self.validate = settings.validate
        self.dictionaries = read_dictionaries(settings.dictionary, settings.default_appl_ver_id)
        self.dictionary_texts = settings.dictionary
        self.masking = _masking(settings, self.dictionaries)
        self.log = read_log_format(
            captured_at=settings.captured_at,
            time_zone=settings.log_time_zone,
            we_are=settings.we_are,
        )
        lookups = [_lookup(text) for text in settings.lookup]
        self.steps: list[tuple[str, beam.PTransform]] = [
            (
                "Filter",
                Filter(
                    include=settings.include,
                    exclude=settings.exclude,
                    admin=not settings.no_admin,
                    dictionaries=self.dictionaries,
                ),
            ),
            ("Enrich", Enrich(names=settings.names, lookups=lookups)),
        ]
        parts = [
            version("fixfeed"),
            self.validate,
            self.dictionaries.digest,
            self.masking.digest,
            *settings.include,
            "exclude",
            *settings.exclude,
            str(settings.no_admin),
            *(lookup.digest for lookup in lookups),
            repr(self.log),
        ]
        self.digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def parse(self, *, fix_json: bool) -> ParseFix:
        """Return the parser; `fix_json` asks for whole messages as JSON as well."""
        return ParseFix(
            validate=self.validate,
            dictionaries=self.dictionaries,
            masking=self.masking,
            fix_json=fix_json,
            log=self.log,
        )


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


def _lookup(text: str) -> Lookup:
    path, separator, column = text.rpartition(":")
    if not separator or not path:
        raise UsageError(f"lookup is {text!r}, expected FILE:COLUMN, as in symbols.csv:symbol")
    return Lookup.read(path, on=column)
