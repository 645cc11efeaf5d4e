"""The kinds of differences that are explained."""

__all__ = ["KINDS", "UNEXPLAINED"]

KINDS = {
    "body_length": "BodyLength (9) is wrong, by both",
    "check_sum": "CheckSum (10) is wrong, by both",
    "bad_field": "a field has no `=`, or no tag before it: QuickFIX refuses such a message",
    "data_length": "a length does not fit its data field: QuickFIX reads beyond the field",
    "data_length_missing": "no length comes before a data field: QuickFIX refuses such a message",
    "not_utf8": "a value is not UTF-8: Python's QuickFIX takes text alone",
    "soh_in_value": "a value holds SOH, and QuickFIX does not know its length",
    "foreign_in_group": "a tag that has no place in the message interrupts a group",
    "dictionary": "the standard gives a group, or a message, what QuickFIX's dictionary lacks",
    "member_outside": "a group is left and gone on with",
    "first_field": "an entry does not begin with the first field of its group",
    "group_again": "a group occurs twice in a message",
    "repeated_tag": "a tag occurs several times in a message: QuickFIX does not keep their order",
    "check_sum_missing": "CheckSum (10) does not end it: QuickFIX loses the last entry of a group",
    "msg_type_late": "MsgType (35) is not one of the first three fields",
    "msg_type_again": "MsgType (35) occurs twice",
    "unknown_version": "no version of FIX has this BeginString (8)",
}
"""Each kind with its meaning; docs/fidelity.md explains what the two do, and who is right."""

UNEXPLAINED = "unexplained"
