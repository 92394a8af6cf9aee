"""What the foreign broker must retain: the same as the inner one, soon, and nothing else.

Two brokers, each of which may lose its store or be away. The inner one is right, but not at once:
after a (re)connect its retained messages come one by one, and a service tells again within ten
seconds what a wiped broker forgot. So a new word passes at once, and absence counts only after the
inner side has been up for `settle_s`. Instants are seconds of one monotonic clock.
"""

Word = tuple[str, bytes]
"""A topic and its payload; an empty payload clears the topic."""


class Mirror:
    """Compares two sets of retained messages and says what to publish on the foreign side."""

    def __init__(self, *, settle_s: float, echo_s: float) -> None:
        self._settle_s = settle_s
        self._echo_s = echo_s
        self._wanted: dict[str, bytes] = {}
        self._confirmed: set[str] = set()
        self._held: dict[str, bytes] = {}
        self._told_at: dict[str, float] = {}
        self._inner_since: float | None = None
        self._foreign_since: float | None = None

    @property
    def wanted(self) -> list[Word]:
        """Everything that must be retained, as far as the inner side has told."""
        return list(self._wanted.items())

    def inner_connected(self, now_s: float) -> None:
        """Begin to hear the inner side anew; what it said before stands until it has settled."""
        self._inner_since = now_s
        self._confirmed.clear()

    def inner_lost(self) -> None:
        """Trust no absence until the inner side is back and settled."""
        self._inner_since = None

    def foreign_connected(self, now_s: float) -> None:
        """Forget what the foreign broker held: it says it again after this connect."""
        self._foreign_since = now_s
        self._held.clear()
        self._told_at = dict.fromkeys(self._wanted, now_s)

    def foreign_lost(self) -> None:
        """Correct nothing until the foreign broker is back."""
        self._foreign_since = None

    def want(self, topic: str, payload: bytes, now_s: float) -> None:
        """Take in what the inner side retains; empty: no more."""
        self._confirmed.add(topic)
        self._told_at[topic] = now_s
        _put(self._wanted, topic, payload)

    def held(self, topic: str, payload: bytes) -> None:
        """Take in what the foreign broker retains; empty: no more."""
        _put(self._held, topic, payload)

    def corrections(self, now_s: float) -> list[Word]:
        """Return what is wrong on the foreign side and was not told within `echo_s`."""
        if self._foreign_since is None or now_s - self._foreign_since < self._echo_s:
            return []
        wrong = self._left_over() if self._has_settled(now_s) else []
        wrong += [word for word in self._wanted.items() if self._held.get(word[0]) != word[1]]
        long_ago = now_s - self._echo_s
        due = [word for word in wrong if self._told_at.get(word[0], long_ago) <= long_ago]
        self._told_at.update((topic, now_s) for topic, _ in due)
        return due

    def _has_settled(self, now_s: float) -> bool:
        return self._inner_since is not None and now_s - self._inner_since >= self._settle_s

    def _left_over(self) -> list[Word]:
        """Drop what the settled inner side no longer retains; return what to clear."""
        self._wanted = {t: p for t, p in self._wanted.items() if t in self._confirmed}
        return [(topic, b"") for topic in self._held if topic not in self._wanted]


def _put(words: dict[str, bytes], topic: str, payload: bytes) -> None:
    if payload:
        words[topic] = payload
    else:
        words.pop(topic, None)
