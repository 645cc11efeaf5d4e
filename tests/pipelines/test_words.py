"""Words that a command does not know are answered in a sentence, with the nearest."""

import pytest

from fixfeed.pipelines import fixfeed as command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("orders --whre x", "unknown option --whre; did you mean --where?"),
        ("sessions --sesion=x", "unknown option --sesion; did you mean --session?"),
        ("sessions URI --where x", "unknown option --where; see fixfeed sessions --help"),
        ("sessions URI --sess x", "unknown option --sess; did you mean --session?"),
        ("decode --inclde=x -", "unknown option --inclde; did you mean --include?"),
        ("sample --otput x", "unknown option --otput; did you mean --output?"),
        ("fidelity --jsn x", "unknown option --jsn; did you mean --json?"),
        ("gateway --spol x", "unknown option --spol; did you mean --spool?"),
        ("migrate postgresql://u:secret@h/d x://u:secret@h/d",
         "unexpected 'x://u:***@h/d'; see fixfeed migrate --help"),
        ("order URI", "the following arguments are required: id; usage: fixfeed order [-h] uri id"),
        ("anomalies URI --severity crit",
         "--severity: 'crit' is none of info, warning, critical; did you mean critical?"),
        ("anomalies URI --severity z", "--severity: 'z' is none of info, warning, critical"),
        ("anomalies URI --kind gaps",
         "--kind: 'gaps' is none of reject_burst, cancel_storm, sequence_gap, silent_session, "
         "overfilled, price_off, latency; did you mean sequence_gap?"),
        ("orders URI --limit -1", "--limit: '-1' is no whole number of 0 or more"),
        ("orders URI --limit 1000000000000000000",
         "--limit: '1000000000000000000' has more than 18 digits"),
        ("dashboard URI --port 99999", "--port: '99999' is no port: 1 to 65535, 0 is any free one"),
        ("api URI --port x", "--port: 'x' is no port: 1 to 65535, 0 is any free one"),
        ("orders URI --where", "--where: expected one argument"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_answered_in_a_sentence_with_the_nearest(words, said, capsys):
    name = words.split()[0]
    with pytest.raises(SystemExit, match="2"):
        command.main(words.split())
    assert capsys.readouterr() == ("", f"fixfeed {name}: {said}\n")


def test_a_condition_may_begin_with_a_minus(capsys):
    assert command.main(["orders", "sqlite:///none.db", "--where", "-1 < price"]) == 2
    assert "there is no database at sqlite:///none.db" in capsys.readouterr().err
