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
    "EMPTY_VALUE",
    "HEADER_ORDER",
    "MEANINGS",
    "NAMES",
    "TRUNCATED",
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
    "bad_field": "a field has no `=`, or what stands before it is no tag number",
    "empty_value": "a field has no value",
    "bad_value": "a value is none of its field's type",
    "data_length": "a length field does not fit the data field behind it",
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
    DATA_LENGTH,
) = (1 << bit for bit in range(len(NAMES)))


def defect_text(defects: int) -> str | None:
    """Return the names of the bits in `defects` joined by commas, or None when there are none."""
    return ",".join(name for bit, name in enumerate(NAMES) if defects >> bit & 1) or None
