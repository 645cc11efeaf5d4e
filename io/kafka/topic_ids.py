"""Hears by which id a consumer fetches each topic: another one means that it was made again.

Records come under the name of their topic alone. librdkafka fetches them by its id (from Kafka 3.1
on), and when the name has another id, it goes on with that at the same offset, as if nothing had
happened. Only its log tells of that. The line comes before all records that are fetched so.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["TopicIds", "as_told"]

_CHANGED = re.compile(r"Topic (\S+) changed id from \S+ to (\S+)")


def as_told(topic_id: object) -> str:
    """Return the id of a topic as Kafka's own tools write it, without a slash; `` for None.

    >>> as_told("QSB/W3p8QQSqWIrFVFW+8Q"), as_told(None)
    ('QSB_W3p8QQSqWIrFVFW-8Q', '')
    """
    return str(topic_id or "").replace("+", "-").replace("/", "_")


class TopicIds:
    """The logger of a consumer, which is called while the consumer is polled.

    >>> ids = TopicIds()
    >>> ids.log(7, "%s: %s", "METADATA", "Topic fix.raw changed id from AAAA to QS/w")
    >>> ids.news(), ids.news()
    ([('fix.raw', 'QS_w')], [])
    """

    def __init__(self) -> None:
        """Nothing is heard yet."""
        self._news: list[tuple[str, str]] = []

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the consumer has to be given."""
        return {"debug": "metadata", "logger": self}

    def log(self, _level: int, text: str, *words: object) -> None:
        """Take a line of the log."""
        line = text % words if words else text
        if found := _CHANGED.search(line):
            self._news.append((found[1], as_told(found[2])))

    def news(self) -> list[tuple[str, str]]:
        """Return topics with the ids that they have been fetched by since the last call."""
        news, self._news = self._news, []
        return news
