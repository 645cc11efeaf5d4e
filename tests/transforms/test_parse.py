"""ParseFix reads blocks as its options say, and refuses unknown words."""

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.dictionary.choose import Dictionaries
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.reading import FIELDS, VALIDATE
from fixfeed.transforms.fix.secrets.masking import read_masking
from fixfeed.transforms.parse import ParseFix
from tests.transforms.fix.messages import encode

BLOCK = Block(
    "x",
    0,
    encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, b"X"), (54, b"Z"), (20001, b"1")])
    + encode([(35, b"8"), (49, b"A"), (56, b"B"), (32, b"5")], "FIXT.1.1"),
)
OPTIONS = [
    {},
    *({"fields": word} for word in FIELDS),
    *({"validate": word} for word in VALIDATE),
    {"dictionaries": Dictionaries((), "2"), "validate": "dictionary"},
    {"masking": read_masking(["Symbol", "SenderCompID=drop"])},
    {"fix_json": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_transform_reads_blocks_like_the_parser(options):
    with TestPipeline() as pipeline:
        batches = pipeline | beam.Create([BLOCK]) | ParseFix(**options)
        assert_that(batches, equal_to([parse_block(BLOCK, **options)]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fields": "some"}, "fields is 'some', expected one of rest, all"),
        ({"validate": "all"}, "validate is 'all', expected one of off, structure, dictionary"),
    ],
)
def test_an_unknown_word_is_answered_with_the_known_ones(options, text):
    with pytest.raises(ValueError, match=text):
        ParseFix(**options)
