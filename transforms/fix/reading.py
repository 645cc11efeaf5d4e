"""How messages are to be read: what a run chooses."""

from typing import NamedTuple

from fixfeed.transforms.fix.defects import DICTIONARY, STRUCTURE
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking

__all__ = ["FIELDS", "USUAL", "VALIDATE", "Reading"]

FIELDS = ("rest", "all")
"""What the JSON holds: the fields that have no exact column (`rest`), or all of them."""

VALIDATE = ("off", "structure", "dictionary")
"""What is looked for in a message beyond what reading it needs.

`structure`: the order of header, body and trailer, repeated tags, groups. `dictionary`: that, and
tags, required fields, types and enumerated values.
"""


class Reading(NamedTuple):
    """The choices that decide how the bytes of a message become a row.

    `fields` is one of `FIELDS`, `validate` one of `VALIDATE`. `fix_json` asks for the whole message
    in the FIX JSON encoding as well; `masking` decides what is kept secret.
    """

    fields: str = "rest"
    validate: str = "structure"
    dictionaries: Dictionaries = BUILT_IN
    fix_json: bool = False
    masking: Masking = DEFAULT

    @property
    def wanted(self) -> int:
        """The defects that are looked for, as bits; those of reading always are."""
        unwanted = {"off": STRUCTURE | DICTIONARY, "structure": DICTIONARY, "dictionary": 0}
        return ~unwanted[self.validate]


USUAL = Reading()
"""How messages are read by default."""
