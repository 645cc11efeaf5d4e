"""What a counterparty might write to have a browser do something."""

from tests.transforms.fix.messages import encode

HOSTILE = (
    b"<img src=x onerror=alert(1)>",
    b"<script>alert(2)</script>",
    b"![p](http://evil.example/p.png)",
    b"[l](javascript:alert(3))",
    b"</style></div><h1>owned",
    b"<svg/onload=alert(4)>",
    b"'\"; drop table messages; --",
    b"<iframe src=http://evil.example/>",
)
"""Values: HTML, Markdown, links and SQL."""

SESSION = "FIX.4.4:<b>EVIL</b>->![x](http://evil.example/x.png)"


def hostile_log():
    """Return orders and their rejects that have these values in all fields of text."""
    lines = []
    for number, value in enumerate(HOSTILE):
        comp = [(49, b"<b>EVIL</b>"), (56, b"![x](http://evil.example/x.png)")]
        ids = [(11, value), (55, value), (1, value), (58, value)]
        time = b"20250102-10:00:%02d" % (2 * number)
        lines.append(
            encode([(35, b"D"), *comp, (34, b"%d" % (number + 1)), (52, time), *ids, (54, b"1"),
                    (38, b"5"), (40, b"1"), (453, b"1"), (448, value), (447, b"D"), (452, b"1")])
        )  # fmt: skip
        back = [(49, comp[1][1]), (56, comp[0][1])]
        time = b"20250102-10:00:%02d" % (2 * number + 1)
        lines.append(
            encode([(35, b"8"), *back, (34, b"%d" % (number + 1)), (52, time), *ids, (37, value),
                    (17, value), (150, b"8"), (39, b"8"), (54, b"1"), (38, b"5"), (14, b"0"),
                    (151, b"0"), (6, b"0")])
        )  # fmt: skip
    return b"\n".join(lines) + b"\n" + b"8=FIX.4.4|9=5|<img src=x onerror=alert(5)>|\n"
