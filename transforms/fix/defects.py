"""The kinds of defects: what can be wrong with a message that was read all the same."""

__all__ = [
    "BAD_FIELD",
    "BAD_VALUE",
    "BEGIN_STRING_MISSING",
    "BODY_LENGTH",
    "BODY_LENGTH_MISSING",
    "CHECK_SUM",
    "CHECK_SUM_DELIMITER",
    "CHECK_SUM_MISSING",
    "DATA_LENGTH",
    "DICTIONARY",
    "EMPTY_VALUE",
    "FIELD_ORDER",
    "GROUP_COUNT",
    "GROUP_FIRST_FIELD",
    "GROUP_FOREIGN",
    "GROUP_ORDER",
    "GROUP_ORPHAN",
    "HEADER_ORDER",
    "MEANINGS",
    "MISSING_FIELD",
    "NAMES",
    "NUMBER_TOO_LARGE",
    "REPEATED_TAG",
    "STRUCTURE",
    "TEXT_TOO_LONG",
    "TRUNCATED",
    "UNEXPECTED_TAG",
    "UNKNOWN_MSG_TYPE",
    "UNKNOWN_TAG",
    "UNKNOWN_VALUE",
    "UNKNOWN_VERSION",
    "defect_text",
]

MEANINGS = {
    "truncated": "the message ends without CheckSum (10)",
    "begin_string_missing": "the message does not begin with BeginString (8)",
    "body_length_missing": "BodyLength (9) is missing",
    "body_length": "BodyLength (9) is not the number of bytes between it and CheckSum (10)",
    "check_sum_missing": "CheckSum (10) is missing",
    "check_sum": "CheckSum (10) is not the sum of the bytes before it, or has no three digits",
    "check_sum_delimiter": "CheckSum (10) is right only when summed over the log's own delimiter",
    "header_order": "the first three fields are not BeginString (8), BodyLength (9), MsgType (35)",
    "bad_field": "a field has no `=`, or the text before it is no tag number",
    "empty_value": "a field has no value",
    "bad_value": "a value is none of its field's type",
    "number_too_large": "a number has more digits than its column can hold, which is null then",
    "text_too_long": "a text has more than 250 bytes, which its column cannot hold; it is null",
    "data_length": "a length field does not fit the data field after it",
    "field_order": "a field of header, body or trailer comes after a later part",
    "repeated_tag": "a tag occurs twice outside groups, or twice in one entry of a group",
    "group_count": "a group does not have as many entries as its count says",
    "group_first_field": "an entry of a group does not begin with the group's first field",
    "group_order": "the fields of an entry are not in the order of the dictionary",
    "group_foreign": "a field that is no member of a group is in an entry of it",
    "group_orphan": "a member of a group is outside of it",
    "unknown_version": "there is no dictionary for what BeginString (8) and ApplVerID (1128) say",
    "unknown_msg_type": "the dictionary has no such MsgType (35)",
    "unknown_tag": "the dictionary has no such tag",
    "unexpected_tag": "the dictionary has the tag, but not for this type of message",
    "missing_field": "a field that the dictionary requires is missing",
    "unknown_value": "a value is none of those that the dictionary lists or allows for its field",
}
"""Name of each defect and what it means; the order is the order of the bits."""

NAMES = tuple(MEANINGS)

(
    TRUNCATED,
    BEGIN_STRING_MISSING,
    BODY_LENGTH_MISSING,
    BODY_LENGTH,
    CHECK_SUM_MISSING,
    CHECK_SUM,
    CHECK_SUM_DELIMITER,
    HEADER_ORDER,
    BAD_FIELD,
    EMPTY_VALUE,
    BAD_VALUE,
    NUMBER_TOO_LARGE,
    TEXT_TOO_LONG,
    DATA_LENGTH,
    FIELD_ORDER,
    REPEATED_TAG,
    GROUP_COUNT,
    GROUP_FIRST_FIELD,
    GROUP_ORDER,
    GROUP_FOREIGN,
    GROUP_ORPHAN,
    UNKNOWN_VERSION,
    UNKNOWN_MSG_TYPE,
    UNKNOWN_TAG,
    UNEXPECTED_TAG,
    MISSING_FIELD,
    UNKNOWN_VALUE,
) = (1 << bit for bit in range(len(NAMES)))


STRUCTURE = (
    FIELD_ORDER
    | REPEATED_TAG
    | GROUP_COUNT
    | GROUP_FIRST_FIELD
    | GROUP_ORDER
    | GROUP_FOREIGN
    | GROUP_ORPHAN
)
"""What `structure` looks for beyond what reading a message needs."""

DICTIONARY = UNKNOWN_MSG_TYPE | UNKNOWN_TAG | UNEXPECTED_TAG | MISSING_FIELD | UNKNOWN_VALUE
"""What `dictionary` looks for beyond that, along with values of a wrong type in all fields."""


def defect_text(defects: int) -> str | None:
    """Return the names of the bits in `defects` joined by commas, or None when there are none."""
    return ",".join(name for bit, name in enumerate(NAMES) if defects >> bit & 1) or None
