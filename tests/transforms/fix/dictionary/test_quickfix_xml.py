"""A dictionary in XML is read whole, or refused with the line and the error."""

import codecs
from pathlib import Path

import orjson
import pytest

from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError, read_definition

DICTIONARIES = Path(__file__).parents[5] / "shared" / "dictionaries"
SHIPPED = Path(__file__).parents[4] / "transforms" / "fix" / "dictionary" / "data"

BROKER = """\
<?xml version='1.0' encoding='UTF-8'?>
<!-- Rules of engagement -->
<fix type='FIX' major='4' minor='4' servicepack='0'>
 <header>
  <field name='BeginString' required='Y'/>
 </header>
 <messages>
  <message name='Heartbeat' msgcat='admin' msgtype='0'/>
  <message name='NewOrderSingle' msgcat='app' msgtype='D'>
   <field name='Price' required='N'/>
   <component name='Parties'/>
   <group name='NoLegs' required='Y'>
    <component name='Leg' required='Y'/>
    <group name='NoLegAllocs'>
     <field name='LegQty'/>
    </group>
   </group>
  </message>
 </messages>
 <trailer>
  <field name='CheckSum' required='Y'/>
 </trailer>
 <components>
  <component name='Leg'>
   <field name='LegSymbol' required='Y'/>
  </component>
  <component name='Parties'>
   <group name='NoPartyIDs'>
    <field name='PartyID' required='Y'/>
    <component name='Leg'/>
   </group>
  </component>
 </components>
 <fields>
  <field number='8' name='BeginString' type='STRING'/>
  <field number='10' name='CheckSum' type='String'/>
  <field number='44' name='Price' type='price' comment='of the venue'/>
  <field number='54' name='Side' type='char'>
   <value enum='1' description='BUY'/>
   <value enum='5' description='SELL_SHORT'/>
   <value enum='8' description='Cross (Both sides)'/>
   <value enum='Z'/>
  </field>
  <field number='0448' name='PartyID' type='STRING'/>
  <field number='453' name='NoPartyIDs' type='NUMINGROUP'/>
  <field number='555' name='NoLegs' type='NUMINGROUP'/>
  <field number='600' name='LegSymbol' type='STRING'/>
  <field number='670' name='NoLegAllocs' type='NUMINGROUP'/>
  <field number='687' name='LegQty' type='QTY'/>
  <field number='20001' name='Venue' type='VenueCode'>
   <values allowOther='true' multiple='false'>
    <value enum='X' description='XETRA'/>
   </values>
  </field>
 </fields>
</fix>
"""
READ = {
    "version": "FIX.4.4",
    "fields": {
        "8": ["BeginString", "STRING", {}],
        "10": ["CheckSum", "STRING", {}],
        "44": ["Price", "PRICE", {}],
        "54": ["Side", "CHAR", {"1": "Buy", "5": "Sell short", "8": "Cross (Both sides)", "Z": ""}],
        "448": ["PartyID", "STRING", {}],
        "453": ["NoPartyIDs", "NUMINGROUP", {}],
        "555": ["NoLegs", "NUMINGROUP", {}],
        "600": ["LegSymbol", "STRING", {}],
        "670": ["NoLegAllocs", "NUMINGROUP", {}],
        "687": ["LegQty", "QTY", {}],
        "20001": ["Venue", "VENUECODE", {"X": "Xetra"}],
    },
    "components": {
        "Leg": [[600, 1]],
        "Parties": [[453, 0, [[448, 1], ["Leg", 0]]]],
    },
    "header": [[8, 1]],
    "trailer": [[10, 1]],
    "messages": {
        "0": ["Heartbeat", 1, []],
        "D": [
            "NewOrderSingle",
            0,
            [[44, 0], ["Parties", 0], [555, 1, [["Leg", 1], [670, 0, [[687, 0]]]]]],
        ],
    },
}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a file with this content, named broker.xml so that errors can be compared whole."""
    monkeypatch.chdir(tmp_path)

    def read(content):
        Path("broker.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_definition("broker.xml")

    return read


def one_field(content="", root="type='FIX' major='4' minor='4'"):
    """Return a dictionary of Price and, from line 3 on, the given content."""
    field = "<field number='44' name='Price' type='PRICE'/>"
    return f"<fix {root}>\n<fields>{field}</fields>\n{content}</fix>"


def test_a_whole_dictionary_is_read_in_the_order_of_the_file(read):
    found = read(BROKER)
    assert found == READ
    assert orjson.dumps(found) == orjson.dumps(READ)


def test_the_order_of_the_sections_does_not_matter(read):
    head, rest = BROKER.split(" <header>")
    before, fields = rest.split(" <fields>")
    fields, end = fields.split("</fix>")
    assert read(f"{head} <fields>{fields} <header>{before}</fix>{end}") == READ


@pytest.mark.parametrize(
    ("root", "version"),
    [
        ("type='FIX' major='4' minor='2'", "FIX.4.2"),
        ("major='4' minor='2'", "FIX.4.2"),
        ("type='FIX' major='5' minor='0' servicepack='0'", "FIX.5.0"),
        ("type='FIX' major='5' minor='0' servicepack=''", "FIX.5.0"),
        ("type='FIX' major='5' minor='0' servicepack='2'", "FIX.5.0SP2"),
        ("type='FIXT' major='1' minor='1'", "FIXT.1.1"),
    ],
)
def test_only_the_section_of_fields_is_required(read, root, version):
    assert read(one_field(root=root)) == {
        "version": version,
        "fields": {"44": ["Price", "PRICE", {}]},
        "components": {},
        "header": [],
        "trailer": [],
        "messages": {},
    }


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16", b""), ("iso-8859-1", b"")]
    + [("windows-1252", b"")],
)
def test_the_declared_encoding_is_used(read, encoding, mark):
    text = f"<?xml version='1.0' encoding='{encoding}'?>" + one_field().replace("Price", "Prämie")
    assert read(mark + text.encode(encoding))["fields"] == {"44": ["Prämie", "PRICE", {}]}


def test_a_field_may_occur_twice_in_a_message(read):
    message = "<message name='A' msgtype='A'><field name='Price'/><field name='Price'/></message>"
    found = read(one_field(f"<messages>{message}</messages>"))
    assert found["messages"] == {"A": ["A", 0, [[44, 0], [44, 0]]]}


def test_a_group_may_begin_with_a_group_or_an_empty_component(read):
    found = read(
        one_field(
            "<components><component name='None'/><component name='Also'>"
            "<component name='None'/></component></components>"
            "<header><group name='Price'><component name='Also'/>"
            "<group name='Price'><field name='Price'/></group></group></header>"
        )
    )
    assert found["header"] == [[44, 0, [["Also", 0], [44, 0, [[44, 0]]]]]]
    assert found["components"] == {"None": [], "Also": [["None", 0]]}


def message(members, name="NewOrderSingle"):
    return one_field(
        f"<messages>\n<message name='{name}' msgtype='D'>\n{members}</message></messages>"
    )


def components(members):
    return one_field(f"<components>\n{members}</components>")


def fields(more):
    return (
        "<fix major='4' minor='4'>\n<fields>\n<field number='44' name='Price' type='PRICE'/>\n"
        f"{more}</fields></fix>"
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [
        # The file
        ("", "line 1: cannot read the XML: no element found"),
        ("8=FIX.4.4\x019=5\x01", "line 1: cannot read the XML: not well-formed (invalid token)"),
        ("<fix>\n<fields>\n</fix>", "line 3: cannot read the XML: mismatched tag"),
        (
            one_field("<header>&more;</header>"),
            "line 3: cannot read the XML: undefined entity",
        ),
        (
            "<?xml version='1.0' encoding='gbk'?>\n<fix/>",
            "line 1: cannot decode the file: multi-byte encodings are not supported",
        ),
        (
            "<?xml version='1.0' encoding='none'?>\n<fix/>",
            "line 1: cannot decode the file: unknown encoding: none",
        ),
        (
            "<?xml version='1.0'?>\n<!DOCTYPE fix [\n<!ENTITY a 'aaaa'>\n]>\n<fix/>",
            "line 2: found a DOCTYPE, expected a file without one",
        ),
        (
            "<!DOCTYPE fix SYSTEM 'file:///etc/passwd'>\n<fix/>",
            "line 1: found a DOCTYPE, expected a file without one",
        ),
        (
            message("<group name='Price'>\n" * 60),
            "line 52: expected at most 50 elements in each other",
        ),
        # The root
        ("\n<html/>", "line 2: found <html>, expected <fix>"),
        (
            one_field(root="type='FAST' major='4' minor='4'"),
            "line 1: <fix> has type 'FAST', expected FIX or FIXT",
        ),
        (one_field(root="minor='4'"), "line 1: <fix> has no major, expected major='...'"),
        (one_field(root="major='4'"), "line 1: <fix> has no minor, expected minor='...'"),
        (
            one_field(root="major='4' minor='x'"),
            "line 1: <fix> has minor 'x', expected a whole number",
        ),
        (
            one_field(root="major='5' minor='0' servicepack='SP2'"),
            "line 1: <fix> has servicepack 'SP2', expected a whole number",
        ),
        # Elements
        (
            one_field("<message/>"),
            "line 3: found <message> in <fix>, expected <header>, <messages>, <trailer>, "
            "<components>, <fields>",
        ),
        (
            message("<fild name='Price'/>"),
            "line 5: found <fild> in message NewOrderSingle, expected <field>, <component>, "
            "<group>",
        ),
        (
            message("<field name='Price'>\n<value/></field>"),
            "line 6: found <value> in field Price, expected nothing",
        ),
        (
            one_field("<header/>\n<header/>"),
            "line 4: found a second <header>, expected one alone; the first is <header> in line 3",
        ),
        # Fields
        (
            "<fix major='4' minor='4'>\n<header/></fix>",
            "line 1: found no field, expected <fields> with at least one <field>",
        ),
        (
            "<fix major='4' minor='4'>\n<fields/></fix>",
            "line 2: found no field, expected <fields> with at least one <field>",
        ),
        (
            fields("<field name='Side' type='CHAR'/>"),
            "line 4: field Side has no number, expected number='...'",
        ),
        (
            fields("<field number='' name='Side' type='CHAR'/>"),
            "line 4: field Side has no number, expected number='...'",
        ),
        (
            fields("<field number='54' type='CHAR'/>"),
            "line 4: <field> has no name, expected name='...'",
        ),
        (
            fields("<field number='54' name='Side'/>"),
            "line 4: field Side has no type, expected type='...'",
        ),
        *(
            (
                fields(f"<field number='{number}' name='Side' type='CHAR'/>"),
                f"line 4: field Side has number '{number}', "
                "expected a whole number from 1 to 999999999",
            )
            for number in ("0", "-54", "5.4", "54x", "1" * 10, "٥٤")
        ),
        (
            fields("<field number='044' name='Side' type='CHAR'/>"),
            "line 4: found field Side with number 44, expected one alone; "
            "the first is field Price in line 3",
        ),
        (
            fields("<field number='54' name='Price' type='CHAR'/>"),
            "line 4: found field Price with name Price, expected one alone; "
            "the first is field Price in line 3",
        ),
        (
            fields(
                "<field number='54' name='Side' type='CHAR'>\n<value description='BUY'/></field>"
            ),
            "line 5: <value> has no enum, expected enum='...'",
        ),
        # Members
        (
            message("<field name='Prise'/>"),
            "line 5: message NewOrderSingle names field 'Prise', which <fields> does not define; "
            "did you mean Price?",
        ),
        (
            message("<field name='Account'/>"),
            "line 5: message NewOrderSingle names field 'Account', which <fields> does not define",
        ),
        (
            message("<group name='Prize'/>"),
            "line 5: message NewOrderSingle names group 'Prize', which <fields> does not define; "
            "did you mean Price?",
        ),
        (
            message("<component name='Parties'/>"),
            "line 5: message NewOrderSingle names component 'Parties', "
            "which <components> does not define",
        ),
        (
            message("<group name='Price'>\n<field name='Pryce'/></group>"),
            "line 6: group Price names field 'Pryce', which <fields> does not define; "
            "did you mean Price?",
        ),
        (
            components(
                "<component name='Parties'/>\n"
                "<component name='A'><component name='Party'/></component>"
            ),
            "line 5: component A names component 'Party', which <components> does not define; "
            "did you mean Parties?",
        ),
        (
            one_field("<header>\n<field name='Pryce'/></header>"),
            "line 4: <header> names field 'Pryce', which <fields> does not define; "
            "did you mean Price?",
        ),
        (
            one_field("<trailer>\n<field name='Pryce'/></trailer>"),
            "line 4: <trailer> names field 'Pryce', which <fields> does not define; "
            "did you mean Price?",
        ),
        (message("<field/>"), "line 5: <field> has no name, expected name='...'"),
        (
            message("<field name='Price' required='y'/>"),
            "line 5: field Price in message NewOrderSingle has required 'y', expected Y or N",
        ),
        (
            message("<group name='Price'/>"),
            "line 5: group Price has no members, "
            "expected at least a field, which begins each entry",
        ),
        (
            components(
                "<component name='None'/>\n<component name='A'><group name='Price'>"
                "<component name='Also'/></group></component>"
                "<component name='Also'><component name='None'/></component>"
            ),
            "line 5: group Price has no members, "
            "expected at least a field, which begins each entry",
        ),
        # Components
        (
            components("<component name='A'>\n<component name='A'/></component>"),
            "line 4: component A contains itself: A > A; expected components that do not",
        ),
        (
            components(
                "<component name='A'><component name='B'/></component>\n"
                "<component name='B'><group name='Price'><component name='C'/></group>"
                "</component>\n"
                "<component name='C'><component name='D'/></component>\n"
                "<component name='D'><component name='B'/></component>"
            ),
            "line 5: component B contains itself: B > C > D > B; expected components that do not",
        ),
        (components("<component/>"), "line 4: <component> has no name, expected name='...'"),
        (
            components("<component name='A'/>\n<component name='A'/>"),
            "line 5: found component A with name A, expected one alone; "
            "the first is component A in line 4",
        ),
        # Messages
        (
            one_field("<messages>\n<message name='Logon'/></messages>"),
            "line 4: message Logon has no msgtype, expected msgtype='...'",
        ),
        (
            one_field("<messages>\n<message msgtype='A'/></messages>"),
            "line 4: <message> has no name, expected name='...'",
        ),
        (
            one_field(
                "<messages>\n<message name='Logon' msgtype='A'/>\n"
                "<message name='Again' msgtype='A'/></messages>"
            ),
            "line 5: found message Again with msgtype A, expected one alone; "
            "the first is message Logon in line 4",
        ),
    ],
)
def test_an_error_is_refused_with_its_line(read, content, error):
    with pytest.raises(DictionaryError) as raised:
        read(content)
    assert str(raised.value) == f"broker.xml, {error}"


def test_an_unreadable_file_is_refused_with_the_reason(tmp_path):
    for path, reason in [
        (tmp_path / "none.xml", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ]:
        with pytest.raises(DictionaryError) as raised:
            read_definition(path)
        assert str(raised.value) == f"cannot read {path}: {reason}"


@pytest.mark.parametrize(
    ("attributes", "values", "union"),
    [
        ("", "", []),
        ("", "<value enum='1'/>", []),
        ("allowOtherValues='true'", "<value enum='1'/>", ["INT"]),
        ("allowOtherValues='Y'", "<value enum='1'/>", ["INT"]),
        ("allowOtherValues='false'", "<value enum='1'/>", []),
        ("", "<values allowOtherValues='true'><value enum='1'/></values>", ["INT"]),
    ],
)
def test_a_field_may_allow_more_values_than_it_lists(read, attributes, values, union):
    field = f"<field number='5001' name='Desk' type='INT' {attributes}>{values}</field>"
    text = f"<fix major='4' minor='4'><fields>{field}</fields></fix>"
    assert read(text)["fields"]["5001"][3:] == union


def test_allow_other_values_is_true_or_false(read):
    field = "<field number='5001' name='Desk' type='INT' allowOtherValues='maybe'/>"
    with pytest.raises(DictionaryError, match="allowOtherValues 'maybe', expected true"):
        read(f"<fix major='4' minor='4'><fields>{field}</fields></fix>")
