"""What a run would read, how, and where to, for people who look before they leap."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fixio.files import File, Unreadable
from pipelines.rules import Rules
from transforms.fix.choice import APPL_VER_IDS
from transforms.fix.dictionary import merged
from transforms.fix.masking import RAW_DATA
from transforms.fix.schema import MESSAGES

__all__ = ["show"]


def show(
    console: Console,
    files: Sequence[File],
    unreadable: Sequence[Unreadable],
    sinks: Sequence[str],
    rules: Rules,
) -> None:
    """Print what would be read and what a message becomes; write nothing."""

    def tell(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    tell("would read")
    for file in files:
        details = [f"{file.size:,} bytes", f"delimiter {repr(file.delimiter)[1:]}"]
        details += [file.compression] if file.compression else []
        tell(f"  {file.name} ({', '.join(details)})")
    for one in unreadable:
        tell(f"cannot read {one.path}: {one.reason}")
    tell(f"looking for defects: {rules.validate}")
    for pattern in rules.log.captured_at:
        tell(f"times of capture: {pattern}, else the known forms")
    tell(f"times of capture without an offset: {rules.log.time_zone or 'UTC'}")
    if rules.log.we_are:
        tell(f"we are {', '.join(rules.log.we_are)}")
    tell("with the dictionaries")
    for text, own in zip(rules.dictionary_texts, rules.dictionaries.own, strict=True):
        tell(f"  {text} ({own.definition['version']})")
    default = APPL_VER_IDS[rules.dictionaries.default_appl_ver_id]
    tell(f"  else those of fixfeed; {default} for FIXT.1.1 that does not say its version")
    tell("masking")
    for tag, how in sorted(rules.masking.how.items()):
        field = merged().fields.get(tag)
        name = f"{field.name} ({tag})" if field else str(tag)
        logons = tag == RAW_DATA and not rules.masking.raw_data_everywhere
        tell(f"  {name}{' of Logons' if logons else ''}: {how}")
    columns = Table("column", "type", title="a message becomes")
    for field in MESSAGES:
        columns.add_row(field.name, str(field.type))
    console.print(columns)
    for name in sinks:
        tell(f"into {name}")
