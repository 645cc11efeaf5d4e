"""Secrets are found in bytes outside messages, in any form of their fields."""

import pytest

from fixfeed.transforms.fix.secrets.masking import DEFAULT

SECRET = "s3cr3tpw"
DELIMITERS = [
    "|", "^", "~", "!", ";", ",", "\t", "#", "@", "/", "\\", "||", " ", " | ", "_", "-", ".", ":",
    "\0", "\x01", "\x02", "\x1e", "\x1f", "\x7f", "\x85", "\xa0", "¦", "§", "·", "—", "│", "😀",
]  # fmt: skip
EQUALS = [
    "=", " = ", "= ", " =", ":", " : ", ": ", "\\u003d", "\\u003D ", "\\\\u003d", "\\x3d", "%3D",
    "&#61;", "&equals;",
]  # fmt: skip
MARKED_UP = [
    "<b>554</b>=<i>%s</i>", "<td>554</td>=<td>%s</td>", "<b>Password</b>: <i>%s</i>",
    "{\\u0022Password\\u0022\\u003a\\u0022%s\\u0022}", "password%%3D%s%%26x", "pwd\\u003d%s",
    '{"Password":"\\u0022, %s"}', '{"msg":"35\\u003dA|554\\u003d%s|10\\u003d000|"}',
]  # fmt: skip


def hidden(text, encoding="utf-8"):
    return SECRET.encode() not in DEFAULT.left_over(text.encode(encoding))[0]


@pytest.mark.parametrize("equals", EQUALS)
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_a_secret_field_is_found_with_any_delimiter_and_equals_sign(delimiter, equals):
    head = [(8, "FIX.4.4"), (9, 5), (35, "A"), (49, "A"), (56, "B")]
    for tags in ((554,), (553, 554), (96,), (925,)):
        fields = [*head, *((tag, SECRET) for tag in tags), (10, "000")]
        text = delimiter.join(f"{tag}{equals}{value}" for tag, value in fields)
        assert hidden(text)
        assert hidden(f"x 1=2 3=4 {text}")
        if max(delimiter) < "\u0100":
            assert hidden(text, "latin-1")


@pytest.mark.parametrize("form", MARKED_UP)
def test_a_secret_field_is_found_in_markup_and_escapes(form):
    assert hidden(form % SECRET)


def test_raw_data_stays_if_the_line_shows_another_type_than_logon():
    for equals in EQUALS[:4]:
        text = f"35{equals}B|95{equals}8|96{equals}{SECRET}|10{equals}000"
        assert not hidden(text)
        assert hidden(text.replace("B", "A", 1))


def test_a_repeated_line_is_masked_again():
    for _ in range(3):
        assert hidden(f"connecting to postgresql://u:{SECRET}@h/db --password {SECRET} x")


def test_the_text_after_a_secret_field_is_shown():
    text = f"49 = A·554 = {SECRET}·108 = 30"
    assert DEFAULT.left_over(text.encode())[0].startswith("49 = A·554 =*".encode())
    assert DEFAULT.left_over(f"49=A|554= {SECRET}|108= 30".encode())[0].endswith(b"*|108= 30")
