"""To which topic a message goes: rules as data, the first that it meets decides.

    # executions have a topic of their own, heartbeats have none
    MsgType = 8 -> fix.executions
    MsgType in 0,1 -> none

The conditions are those of the protocol's language of rules.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fixfeed.io.kafka.address import check_topic
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Rule

__all__ = ["NONE", "TOPIC", "Route", "read_routes", "routed"]

NONE = "none"
"""In the place of a topic: such messages go nowhere."""

TOPIC = "kafka_topic"
"""The column that `routed` adds."""


class Route(NamedTuple):
    """The topic of messages that meet a rule, None if they go nowhere."""

    rule: Rule
    topic: str | None


def read_routes(lines: Iterable[str], rule: Callable[[str], Rule]) -> list[Route]:
    """Return the routes in lines, as above; `rule` reads a condition.

    Raises `ValueError` with the number of the line that cannot be read.
    """
    routes = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        condition, arrow, topic = (part.strip() for part in text.rpartition("->"))
        try:
            if not arrow or not condition:
                raise ValueError(
                    f"{text!r} has no condition and topic, expected such as "
                    "MsgType = 8 -> fix.executions"
                )
            if topic != NONE and topic.lower() == NONE:
                raise ValueError(f"the topic is {topic}; did you mean {NONE}, which is no topic?")
            routes.append(Route(rule(condition), None if topic == NONE else check_topic(topic)))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return routes


def routed(batch: Batch, routes: Sequence[Route], topic: str) -> Batch:
    """Return a batch with the topic of each message in the column `TOPIC`.

    Messages that meet no rule go to `topic`. Those that go nowhere are left out, and counted as
    filtered.
    """
    if batch.is_tick:
        return batch
    messages = batch.messages
    names = [topic, *(route.topic or "" for route in routes)]
    found = np.zeros(messages.num_rows, np.int32)
    for number, route in reversed(list(enumerate(routes, 1))):
        found[route.rule.mask(messages).to_numpy(zero_copy_only=False)] = number
    topics = pa.DictionaryArray.from_arrays(found, pa.array(names, pa.string()))
    nowhere = [number for number, name in enumerate(names) if not name]
    batch = dataclasses.replace(batch, messages=messages.append_column(TOPIC, topics))
    return batch.only(pa.array(~np.isin(found, nowhere)))
