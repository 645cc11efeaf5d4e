"""What people are told of a group whose offsets cannot be committed."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from fixfeed.io.kafka import group_places
from fixfeed.io.kafka.address import read_uri
from fixfeed.io.kafka.client import KafkaTrouble
from fixfeed.io.kafka.group import BEGINNING, Group
from fixfeed.io.kafka.group_places import GroupPlaces
from fixfeed.io.kafka.records import PartitionId


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


def test_a_group_that_no_broker_serves_yet_is_asked_again(monkeypatch):
    monkeypatch.setattr(group_places, "_PAUSE", 0.0)
    partition = PartitionId("C", "T", "t", 0)
    answers = [KafkaException(KafkaError(code)) for code in BEGINNING]
    answers.append([TopicPartition("t", 0, 7)])
    told = []

    def committed(_places, _patience):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def commit(**_):
        committed((), 0.0)

    consumer = SimpleNamespace(committed=committed, commit=commit, assignment=lambda: [1])
    address = read_uri("kafka://h:1/t", own=[], ours={})
    places = GroupPlaces(address, consumer, told.append)
    assert places.committed([partition])[partition].offset == 7
    answers += [KafkaException(KafkaError(code)) for code in BEGINNING] + [[]]
    places.begin({partition: 7})
    assert (answers, told) == ([], [])

    monkeypatch.setattr(group_places, "ANSWER", -1.0)
    answers += [KafkaException(KafkaError(BEGINNING[0]))]
    with pytest.raises(KafkaTrouble, match="no broker can be asked"):
        places.committed([partition])
