"""The view `group_entries` has every entry of every repeating group."""


def test_nested_entries_have_their_place_and_fields(ask):
    parties = "453=2|448=a|447=D|452=1|802=2|523=x|803=1|523=y|803=2|448=b|447=D|452=3|"
    log = [
        f"FIX.4.4|35=D|49=A|56=B|34=1|52=20250102-09:30:00|{parties}11=C|",
        "FIX.4.4|35=0|49=A|56=B|34=2|52=20250102-09:30:00|",
        "FIX.4.4|35=D|49=A|56=B|34=3|52=20250102-09:30:00|453=0|58=[{|5001=x|5001=y|",
    ]
    query = """select msg_type, group_name, entry, path, parent_path, fields ->> 'PartyID',
 fields ->> 'PartySubID' from group_entries order by message_id, path"""
    assert ask(query, log) == [
        ("D", "NoPartyIDs", 1, "$.NoPartyIDs[0]", None, "a", None),
        ("D", "NoPartySubIDs", 1, "$.NoPartyIDs[0].NoPartySubIDs[0]", "$.NoPartyIDs[0]", None, "x"),
        ("D", "NoPartySubIDs", 2, "$.NoPartyIDs[0].NoPartySubIDs[1]", "$.NoPartyIDs[0]", None, "y"),
        ("D", "NoPartyIDs", 2, "$.NoPartyIDs[1]", None, "b", None),
    ]


def test_an_entry_has_its_fields_and_groups_whole(ask):
    log = ["FIX.4.4|35=D|49=A|56=B|34=1|52=20250102-09:30:00|453=1|448=a|802=1|523=x|"]
    query = "select fields from group_entries where group_name = 'NoPartyIDs'"
    entry = {"PartyID": "a", "NoPartySubIDs": [{"PartySubID": "x"}]}
    assert ask(query, log) == [(entry,)]
