"""What people are told of a group whose offsets cannot be committed."""

import pytest
from confluent_kafka import KafkaError

from fixfeed.io.kafka.group import Group


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
    group = Group("g", {}, None, lambda *one: said.append(one))
    group.committed(KafkaError(error), [])
    assert [about for about, _ in said] == ["group"] * told
    group.committed(None, [])
    assert said[-1] == ("group", "")
