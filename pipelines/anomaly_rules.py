"""Rules of anomalies as people give them and see them: a file in, a file out."""

from fixfeed.pipelines.option import UsageError
from fixfeed.transforms.fix.anomalies.rules import (
    KINDS,
    SEVERITIES,
    Rule,
    RuleFileError,
    chosen_rules,
    default_rules,
    default_text,
    rules_of_text,
    yaml_of_rules,
)

__all__ = ["KINDS", "SEVERITIES", "read_anomalies", "shown_rules"]


def read_anomalies(file: str | None) -> tuple[Rule, ...] | None:
    """Return the rules in a file, those of fixfeed for `default`; None if no file is named.

    Raises `UsageError`.
    """
    if file is None:
        return None
    if file == "default":
        return default_rules()
    try:
        return chosen_rules(file)
    except OSError as error:
        raise UsageError(f"anomalies {file}: {error.strerror}") from error
    except RuleFileError as error:
        raise UsageError(f"anomalies {error}") from error


def shown_rules(settings: str | None) -> str:
    """Return the rules that a database keeps as a file; without `settings` those of fixfeed."""
    return default_text() if settings is None else yaml_of_rules(rules_of_text(settings))
