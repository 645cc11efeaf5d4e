"""A sample log that is being written: good messages, damaged ones, lines between them."""

import io
import random
from itertools import cycle

from fixfeed.pipelines.sample.damages import DAMAGES, HARMLESS, NOISE, Found
from fixfeed.pipelines.sample.day import Sent, Session
from fixfeed.pipelines.sample.executions import Fills
from fixfeed.pipelines.sample.layouts import Layout
from fixfeed.pipelines.sample.truth import Truth

__all__ = ["Log"]

_DAMAGED = 0.015
_NOISY = 0.004


class Log:
    """The log of a session in a layout, and the truth about it."""

    def __init__(self, session: Session, layout: Layout, rng: random.Random):
        """Begin an empty log; `rng` decides what is damaged."""
        self._session = session
        self._layout = layout
        self._rng = rng
        self._data = io.BytesIO()
        self._damages = rng.sample(DAMAGES, len(DAMAGES))
        self._noise = cycle(rng.sample(NOISE, len(NOISE)))
        self._due = 0.0
        self._whole = False
        self._fills = Fills()
        self.truth = Truth()

    def write(self, sent: Sent) -> None:
        """Write a message; a few are damaged or follow a line of another kind."""
        prefix = self._prefix(sent)
        if self._layout.line_end and self._rng.random() < _NOISY:
            self._write_noise(prefix)
        found = self._damage(sent) or Found(sent.message)
        # A damaged message always follows a whole one: without line ends two damaged ones in a row
        # might be read as one, and the first message must show the layout.
        self._whole = found.data == sent.message
        self._data.write(self._layout.write(found.data, prefix))
        truth = self.truth
        if found.failure:
            truth.failures[found.failure] += 1
            return
        truth.messages += 1
        truth.by_msg_type[sent.msg_type] += 1
        truth.defects.update(found.defects)
        if sent.execution:
            self._fills.report(sent.execution)

    def write_line(self, text: str) -> None:
        """Write a line without FIX, if the layout has lines."""
        if self._layout.line_end:
            self._data.write(text.encode() + self._layout.line_end)
            self.truth.skipped += 1

    def break_off(self, sent: Sent) -> bytes:
        """Return the log, ending inside this message."""
        part = sent.message[: len(sent.message) * 2 // 3]
        whole = self._layout.write(part, self._prefix(sent))
        self._data.write(whole.removesuffix(self._layout.line_end))
        self.truth.failures["truncated"] += 1
        return self.finished()

    def finished(self) -> bytes:
        """Return the log; the truth has the fills from then on."""
        self.truth.fills = self._fills.by_symbol()
        return self._data.getvalue()

    def _prefix(self, sent: Sent) -> str:
        return self._layout.prefix(sent.at, self._session.name, sent.direction)

    def _damage(self, sent: Sent) -> Found | None:
        self._due += _DAMAGED
        # News are rare, and only they have data fields, so no chance to damage one is missed.
        rare = sent.msg_type == "B"
        if sent.msg_type == "5":
            return None  # The log would end inside a message if the last one lost its CheckSum.
        if self._due < 1 or not self._whole or (not rare and self._rng.random() < 0.8):
            return None
        for damage in self._damages:
            if sent.execution and damage not in HARMLESS:
                continue
            found = damage(sent.message, self._layout, self._rng)
            if found:
                self._damages.remove(damage)
                self._damages.append(damage)
                self._due -= 1
                return found
        return None

    def _write_noise(self, prefix: str) -> None:
        line, reason = next(self._noise)
        before = prefix.encode() if self._rng.random() < 0.5 else b""
        self._data.write(before + line + self._layout.line_end)
        if reason:
            self.truth.failures[reason] += 1
        else:
            self.truth.skipped += 1
