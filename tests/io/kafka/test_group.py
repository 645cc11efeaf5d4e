"""What people are told of a group whose offsets cannot be committed."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError

from fixfeed.io.kafka.group import Group


def group_of_outputs(said, *, remember=True, latest=False, begun=True):
    return Group(
        "g",
        {},
        SimpleNamespace(remember=remember),
        lambda *one: said.append(one),
        latest=latest,
        begun=lambda: begun,
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, True),
        (KafkaError.UNKNOWN_MEMBER_ID, True),
        (KafkaError.NOT_COORDINATOR, False),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, False),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, False),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, False),
        (KafkaError._TRANSPORT, False),
    ],
)
def test_an_error_that_passes_by_itself_is_not_told(error, told):
    said = []
    group = group_of_outputs(said)
    group.committed(KafkaError(error), [])
    assert [about for about, _ in said] == ["group"] * told
    group.committed(None, [])
    assert said[-1] == ("group", "")


@pytest.mark.parametrize(
    "error", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_MEMBER_ID]
)
@pytest.mark.parametrize(
    ("outputs", "meaning"),
    [
        ({}, "nothing is lost, only tools that show its lag are wrong"),
        ({"latest": True}, "nothing is lost, only tools that show its lag are wrong"),
        ({"latest": True, "begun": False}, "where reading began until each output has stored it"),
        ({"latest": True, "remember": False}, "it alone knows where reading began: if the job"),
        ({"remember": False}, "the next job reads again what this one reads"),
    ],
)
def test_nothing_is_called_lost_or_kept_that_is_not(error, outputs, meaning):
    said = []
    group_of_outputs(said, **outputs).committed(KafkaError(error), [])
    ((_, text),) = said
    assert meaning in text
    assert ("nothing is lost" in text) == ("nothing is lost" in meaning)
