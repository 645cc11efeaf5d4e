"""Flags, environment and file share their words; a mistyped one is answered with the right one."""

import pytest

from fixfeed.pipelines import fixfeed as command
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.options import read_settings
from fixfeed.pipelines.sinks import sink_of
from fixfeed.pipelines.uris import UnknownPlace


def test_flags_override_the_environment_which_overrides_the_file(tmp_path):
    config = tmp_path / "fixfeed.yaml"
    config.write_text(
        "input: [a.log, b.log]\noutput: sqlite:///file.db\nworkers: 1\nno_admin: true\n"
    )
    environment = {"FIXFEED_CONFIG": str(config), "FIXFEED_OUTPUT": "sqlite:///x.db\nparquet:y/"}
    settings = read_settings(["--workers", "3"], environment | {"HOME": "/"})
    assert settings.input == ("a.log", "b.log")
    assert settings.output == ("sqlite:///x.db", "parquet:y/")
    assert (settings.workers, settings.no_admin) == (3, True)
    assert read_settings(["--input", "c.log"], environment).input == ("c.log",)


def test_without_settings_the_defaults_hold():
    settings = read_settings([], {})
    assert (settings.output, settings.runner) == (("sqlite:///fixfeed.db",), "DirectRunner")
    assert settings.delimiter is None


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        (["--inptu", "x"], {}, "unknown option --inptu; did you mean --input?"),
        (["--dryrun"], {}, "unknown option --dryrun; did you mean --dry-run?"),
        (["--no_admin"], {}, "unknown option --no_admin; did you mean --no-admin?"),
        (["--from", "latest"], {}, "a parameter of a URI, as in 'kafka://host/topic?from=latest'"),
        (["--zone", "UTC", "--time-zone", "UTC"], {}, "did you mean --log-time-zone?"),
        (["--input", "a.log", "b.log"], {}, "a pattern wants quotes, as in --input '*.log'"),
        (["--direct_num_worker=2"], {}, "did you mean --direct_num_workers?"),
        (
            ["--input", "a", "--flink_master=h:8081"],
            {},
            "--flink_master is for a cluster of Flink, and this run is on this machine: add"
            " --runner FlinkRunner, or leave --flink_master out",
        ),
        (["day.log"], {}, "unexpected 'day.log'; files are named with --input day.log"),
        ([], {"FIXFEED_OUTPTU": "x"}, "unknown variable FIXFEED_OUTPTU in the environment"),
        (["--workers", "many"], {}, "workers is 'many', expected a whole number"),
        (["--delimiter", "="], {}, "delimiter is '=', expected the text between fields"),
        (["--config", "none.yaml"], {}, "--config none.yaml: No such file or directory"),
        (["--workers", "0"], {}, "workers is '0', expected a whole number, 1 or more"),
        (["--workers", "010"], {}, "workers is '010', expected a whole number, 1 or more, without"),
        (["--workers", "2.0"], {}, "workers is '2.0', expected a whole number"),
        (["--workers", "\N{SUPERSCRIPT TWO}"], {}, "expected a whole number"),
        (["--max-failures", "-1"], {}, "max-failures is '-1', expected a whole number, 0 or more"),
        (["--max-failures=-1"], {}, "max-failures is '-1', expected a whole number, 0 or more"),
        (["--input", ""], {}, "input is empty, expected LOGS"),
        (["--runner", ""], {}, "runner is empty, expected NAME"),
        ([], {"FIXFEED_INPUT": ""}, "FIXFEED_INPUT in the environment is empty; give it a value"),
        ([], {"FIXFEED_JSON": ""}, "FIXFEED_JSON in the environment is empty"),
        ([], {"FIXFEED_WORKERS": ""}, "FIXFEED_WORKERS in the environment is empty"),
        ([], {"FIXFEED_CONFIG": ""}, "FIXFEED_CONFIG in the environment is empty"),
        ([], {"FIXFEED_INPUT": "a\n\nb"}, "line 2 of FIXFEED_INPUT in the environment is empty"),
        ([], {"FIXFEED_MASK": "\nText"}, "line 1 of FIXFEED_MASK in the environment is empty"),
        ([], {"FIXFEED_Input": "a"}, "unknown variable FIXFEED_Input in the environment; did you"),
        (["--validate", "all"], {}, "validate is 'all', expected off, structure or dictionary"),
        ([], {"FIXFEED_JSON": "maybe"}, "json is 'maybe', expected true or false"),
    ],
)
def test_a_wrong_setting_is_answered_with_the_right_one(arguments, environment, text):
    with pytest.raises(UsageError) as error:
        read_settings(arguments, environment)
    assert text in str(error.value)


def test_every_option_of_a_runner_passes_through_and_a_mistyped_one_of_ours_does_not():
    of_flink = [
        "--flink_master=h:8081",
        "--checkpointing_interval=1000",
        "--max_bundle_time_mills",
        "100",
        "--object_reuse",
        "--savepoint_path=file:///s",
        "--state_backend_storage_path=s3://b/s",
        "--execution_mode_for_batch=BATCH",
    ]
    settings = read_settings(["--input", "a", "--runner", "FlinkRunner", *of_flink], {})
    assert settings.beam == tuple(of_flink)
    for wrong, right in (
        ("--inptu=x", "--input"),
        ("--commit_after=1s", "--commit-after"),
        ("--flink_mastre=h", "--flink_master"),
    ):
        with pytest.raises(UsageError, match=f"did you mean {right}"):
            read_settings(["--runner", "FlinkRunner", *of_flink, wrong], {})
    with pytest.raises(UsageError, match="unknown option --checkpointing_interval"):
        read_settings(["--checkpointing_interval=1000"], {})


def test_an_unknown_word_in_the_file_is_answered_with_the_nearest(tmp_path):
    config = tmp_path / "fixfeed.yaml"
    config.write_text("imput: a.log\n")
    with pytest.raises(UsageError, match=r"unknown word 'imput'; did you mean input\?"):
        read_settings(["--config", str(config)], {})


def test_words_that_yaml_converts_are_understood(tmp_path):
    config = tmp_path / "fixfeed.yaml"
    config.write_text("validate: off\ndefault-appl-ver-id: 6\nmask: 1\n")
    settings = read_settings(["--config", str(config)], {})
    assert (settings.validate, settings.default_appl_ver_id, settings.mask) == ("off", "6", ("1",))


def test_an_environment_list_may_end_in_a_line_end_and_blanks_may_delimit():
    environment = {"FIXFEED_INPUT": "a b.log\r\nc\N{LINE SEPARATOR}d.log\r\n"}
    settings = read_settings([], environment | {"FIXFEED_DELIMITER": "\t"})
    assert settings.input == ("a b.log", "c\N{LINE SEPARATOR}d.log")
    assert settings.delimiter == b"\t"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            "mask: Text\ninput: a\nmask: Account",
            "'mask' is given twice, in lines 1 and 3, where onl",
        ),
        ("mask: Text\nmask: Account", "write one list, as in `mask: [ONE, ANOTHER]`"),
        ("no-admin: true\nno_admin: false", "'no-admin' is given twice, in lines 1 and 2"),
        ("workers: 1\nworkers: 2", "leave one of them out"),
        ("input:", "line 1: input has no value; give it one, or leave the line out"),
        ("output: null", "output has no value"),
        ("input: [a, ~]", "input has no value"),
        ("names:", "names has no value"),
        ("workers: null", "workers has no value"),
        ("mask: []", "mask is an empty list; leave the line out for the default"),
        ("input: ''", "input is empty, expected LOGS"),
        ("workers: 010", "workers is 010, which is the number 8 to YAML; write a decimal number"),
        ("workers: 0x10", "workers is 0x10, which is the number 16 to YAML"),
        ("workers: 0b11", "workers is 0b11, which is the number 3 to YAML"),
        ("workers: 1:30", "workers is 1:30, which is the number 90 to YAML"),
        ("workers: 1_0", "workers is 1_0, which is the number 10 to YAML"),
        ("workers: '010'", "workers is '010', expected a whole number"),
        ("workers: 0", "workers is '0', expected a whole number, 1 or more"),
        ("workers: yes", "workers is 'yes', expected a whole number"),
        ("max-failures: -1", "max-failures is '-1', expected a whole number, 0 or more"),
        ("mask: 0124", "mask is 0124, which is the number 84 to YAML; write a decimal number, or"),
        ("mask: [1, 0554]", 'or quote it if it is text: "0554"'),
        ("input: true", "input is true, which is a truth value to YAML; if the word is meant, quo"),
        ("mask-key-file: no", 'if the word is meant, quote it: "no"'),
        ("include: [off]", "include is off, which is a truth value"),
        ("validate: no", "validate is 'no', expected off, structure or dictionary"),
        ("validate: [off]", "validate has a list, expected one value"),
        ("input: {a: b}", "input has words of its own, expected values, one or a list of them"),
        ("input: [[a]]", "input has a list or words inside its list"),
        ("input: !!binary YQ==", "expected text or a number"),
        ("json: 2", "json is '2', expected true or false"),
        ("input: [a", "is no YAML: line 1, column 10: expected ',' or ']', but got '<stream end>'"),
        ("a: *hunter2", "is no YAML: line 1, column 4: found undefined alias one; quote a value"),
        ("input: !hunter2", "line 1: input begins with ! or has another type of YAML's own"),
        ("kafka-property:\n  a: !hunter2", "line 2: kafka-property, a begins with ! or has"),
        ("kafka-property:\n  a: 0x0F", "line 2: kafka-property, a is a number to YAML that is not"),
        ("kafka-property:\n  a: &hunter2", "line 2: kafka-property, a has no value; give it one"),
        ("", "expected words with values"),
        ("- input", "expected words with values"),
    ],
)
def test_values_that_yaml_reads_differently_than_people_are_errors(lines, text, tmp_path):
    config = tmp_path / "fixfeed.yaml"
    config.write_text(lines)
    with pytest.raises(UsageError) as error:
        read_settings(["--config", str(config)], {})
    assert text in str(error.value)


def test_a_binary_file_is_reported(tmp_path):
    config = tmp_path / "fixfeed.yaml"
    config.write_bytes(b"input: \xff\xfe")
    with pytest.raises(UsageError, match=r"fixfeed\.yaml is no YAML"):
        read_settings(["--config", str(config)], {})
    with pytest.raises(UsageError, match="Is a directory"):
        read_settings(["--config", str(tmp_path)], {})


def test_quoted_text_and_dates_are_taken_literally(tmp_path):
    config = tmp_path / "fixfeed.yaml"
    config.write_text("input: [2025-01-02, 'true', '010']\njson: 1\nnames: Off\n")
    settings = read_settings(["--config", str(config)], {})
    assert settings.input == ("2025-01-02", "true", "010")
    assert (settings.json, settings.names) == (True, False)


def test_beam_options_are_passed_on():
    settings = read_settings(["--s3_endpoint_url=http://127.0.0.1:9", "--job_name", "x"], {})
    assert settings.beam == ("--s3_endpoint_url=http://127.0.0.1:9", "--job_name", "x")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sqlit:///a.db", "did you mean sqlite:///a.db?"),
        ("mysql://u:secret@h/d", "output 'mysql://u:***@h/d' is none of"),
        ("a.db", "is none of sqlite:///fixfeed.db"),
        ("parquet:", "write parquet:lake/"),
    ],
)
def test_an_unknown_place_lists_the_known_places(uri, text):
    with pytest.raises(UnknownPlace) as error:
        sink_of(uri, partition_by=("date",))
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--input", "a", "--output", "sqlite:///no/folder/x.db"], "there is no folder"),
        (["--input", "a", "--include", "MsgTyp = D"], "the nearest is MsgType"),
        (["--input", "a", "--lookup", "symbols.csv"], "expected FILE:COLUMN"),
        (["--input", "a", "--dictionary", "none.xml"], "cannot read none.xml: No such file"),
        (["--input", "a", "--default-appl-ver-id", "1"], "expected one of 2 (FIX.4.0), 3"),
        (["--input", "a", "--mask", "Acount"], "no field 'Acount'; did you mean Account?"),
        (["--input", "a", "--mask", "Account=hash"], "hashes want a key, see --mask-key-file"),
        (["--input", "a", "--mask-key-file", "none"], "mask-key-file none: No such file"),
        (["--input", "a", "--we-are", "A", "--mask", "56"], "TargetCompID, which --mask hides"),
        (["--input", "a", "--mask-key-file", "/dev/null"], "mask-key-file /dev/null is empty"),
        (["--input", "a", "--output", "jsonl:-", "--workers", "2"], "leave out --workers"),
        (
            ["--input", "a", "--output", "kafka://h/fix?transactions=true", "--workers", "2"],
            "kafka://h/fix is written with transactions, by one process alone: leave out --work",
        ),
        (
            ["--input=/a", "--runner=FlinkRunner", "--output=postgresql://h/db"],
            "--runner FlinkRunner does not say which cluster: add --flink_master HOST:8081, where",
        ),
        (
            [
                "--input=/a",
                "--runner=FlinkRunner",
                "--flink_master=h",
                "--output=kafka://h/fix?transactions=true",
            ],
            "a cluster has many: leave out transactions=true, and have readers drop what comes",
        ),
        (
            ["--input", "/a", "--output", "jsonl:-", "--runner", "FlinkRunner"],
            "jsonl:- is written by one process, and a cluster has many",
        ),
        (["--input", "a", "--output", "parquet:x", "--output", "parquet:x"], "is named twice"),
        (["--input", "a", "--output", "parquet:x", "--output", "parquet:./x/"], "is named twice"),
        (
            ["--input", "a", "--output", "sqlite:///a.db", "--output", "sqlite:///./a.db"],
            "output sqlite:///./a.db is named twice",
        ),
        (["--input", "amqp://x/y"], "input 'amqp://x/y' is none of logs/*.log.gz, -, follow:"),
        (["--input", "s4://x/y"], "did you mean s3://x/y?"),
        (["--input", "file:///x/y.log"], "names a file; write its path: /x/y.log"),
        (["--input", "a", "--output", "parquet:x", "--partition-by", "sybol"], "symbol"),
    ],
)
def test_wrong_usage_ends_with_code_2_and_one_line(arguments, text, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 2
    told = capfd.readouterr().err
    assert text in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_help_names_options_exit_codes_and_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("--input", "--reprocess", "fixfeed migrate", "exit codes", "examples", "stopped"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 110


def test_an_unknown_command_is_answered_with_the_nearest(capsys):
    assert command.main(["sampel"]) == 2
    assert capsys.readouterr().err == "fixfeed: unknown command 'sampel'; did you mean sample?\n"


@pytest.mark.parametrize(
    "word", ["commit-after", "for", "health-lag", "keep-spool", "metrics-wait"]
)
def test_a_negative_length_of_time_is_answered_with_what_is_expected(word):
    with pytest.raises(UsageError) as told:
        read_settings([f"--{word}", "-5m"], {})
    expected = "expected a length of time such as 100ms, 30s or 2h"
    assert str(told.value) == f"{word} is '-5m', {expected}"
