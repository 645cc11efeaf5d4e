"""What derived tables depend on beside messages: rules of anomalies, sessions of drop copies."""

from collections.abc import Sequence

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
from fixfeed.transforms.fix.orders.drop_copies import (
    DropCopies,
    DropCopyError,
    read_drop_copies,
)

__all__ = [
    "KINDS",
    "SEVERITIES",
    "read_anomalies",
    "read_copied",
    "shown_rules",
]


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


def read_copied(texts: Sequence[str] | None) -> DropCopies | None:
    """Return the sessions of drop copies; None if none are named. Raises `UsageError`."""
    try:
        return read_drop_copies(texts) if texts else None
    except DropCopyError as error:
        raise UsageError(f"drop-copy {error}") from error


def shown_rules(settings: str | None) -> str:
    """Return the rules that a database keeps as a file; without `settings` those of fixfeed."""
    return default_text() if settings is None else yaml_of_rules(rules_of_text(settings))
