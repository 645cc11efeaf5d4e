"""The dictionaries of counterparties, as people name them."""

import os
from collections.abc import Iterable

from fixfeed.transforms.fix.dictionary.choose import APPL_VER_IDS, Dictionaries, OwnDictionary
from fixfeed.transforms.fix.dictionary.overlay import lay_over
from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError, read_definition
from fixfeed.transforms.fix.dictionary.version import VERSIONS, definition

__all__ = ["read_dictionaries"]


def read_dictionaries(texts: Iterable[str], default_appl_ver_id: str = "9") -> Dictionaries:
    """Return the dictionaries that texts such as `BROKER->*=+broker.xml` name.

    Each text is a file in QuickFIX's XML, which replaces the built-in dictionary of its version;
    with `+` in front it is laid over that one. With a session and `=` before that, it applies only
    to matching sessions, in both directions. `default_appl_ver_id` is 2 to 9 or the version it
    means, such as FIX.4.4.

    Raises:
      DictionaryError: A file is no dictionary (the text has file, line and reason), a text names no
        session, there is nothing to lay a file over, two files apply to the same messages, or there
        is no such version.
    """
    own: list[OwnDictionary] = []
    read: dict[tuple[str, str], str] = {}
    for text in texts:
        one = _read(text)
        place = (one.session, one.definition["version"])
        if place in read:
            whose = f" of {one.session}" if one.session else ""
            raise DictionaryError(
                f"dictionary {text} and dictionary {read[place]} are both for {place[1]}{whose}, "
                "expected one"
            )
        read[place] = text
        own.append(one)
    return Dictionaries(tuple(own), _appl_ver_id(default_appl_ver_id))


def _read(text: str) -> OwnDictionary:
    session, equals, file = text.partition("=")
    if "->" not in session:
        if equals and not os.path.exists(text.removeprefix("+")):
            raise DictionaryError(
                f"dictionary is {text!r}: expected FILE, or SESSION=FILE with a session such as "
                "'BROKER->*'"
            )
        session, file = "", text
    path = file.removeprefix("+")
    if not path:
        raise DictionaryError(f"dictionary is {text!r}: expected the name of a file in it")
    content = read_definition(path)
    if file != path:
        version = content["version"]
        if version not in VERSIONS:
            raise DictionaryError(
                f"dictionary is {text!r}: {path} is for {version}, and there is no built-in "
                f"dictionary of it to lay it over; leave out the +, or make it for one of "
                f"{', '.join(VERSIONS)}"
            )
        try:
            content = lay_over(definition(version), content)
        except DictionaryError as error:
            raise DictionaryError(f"{path}: {error}") from error
    return OwnDictionary(session, content)


def _appl_ver_id(text: str) -> str:
    for number, version in APPL_VER_IDS.items():
        if text.upper() in (number, version):
            return number
    known = ", ".join(f"{number} ({version})" for number, version in APPL_VER_IDS.items())
    raise DictionaryError(f"default-appl-ver-id is {text!r}, expected one of {known}")
