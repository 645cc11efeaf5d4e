"""Unintended results are reported in a sentence, with the right exit code."""

from fixfeed.pipelines.run import main
from tests.transforms.fix.messages import encode

ORDER = encode([(35, b"D"), (34, b"1"), (49, b"A"), (56, b"B"), (54, b"1")]) + b"\n"


def test_an_unknown_runner_is_answered_with_the_nearest(tmp_path, capfd):
    assert main(["--input", "a.log", "--runner", "FlinkRuner"]) == 2
    assert "there is no runner 'FlinkRuner'; did you mean FlinkRunner?" in capfd.readouterr().err


def test_too_many_failures_are_reported_on_standard_error(tmp_path, capfd):
    path = tmp_path / "day.log"
    path.write_bytes(b"8=FIX|junk=1|2=3|\n" * 2 + ORDER * 60)
    arguments = ["--quiet", "--max-failures", "1", "--output", f"sqlite:///{tmp_path}/x.db"]
    assert main([*arguments, "--input", str(path)]) == 4
    assert "fixfeed: 2 failures, and --max-failures allows 1; " in capfd.readouterr().err


def test_rules_that_leave_out_every_message_are_reported(tmp_path, capfd):
    path = tmp_path / "day.log"
    path.write_bytes(ORDER * 3)
    arguments = ["--quiet", "--include", "Side = 7", "--output", f"sqlite:///{tmp_path}/x.db"]
    assert main([*arguments, "--input", str(path)]) == 0
    assert "note: the rules left out every message" in capfd.readouterr().out.replace("\n", " ")
