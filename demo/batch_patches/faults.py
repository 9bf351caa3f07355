"""Faults on demand: what can go wrong on the new path of the demo service, and only there."""

import random
import time
import zlib
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["errors", "latency", "leak", "corruption", "alert", "outage", "errors-twofold", "wrong-split"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What no bound of a plan sees: it takes a comparison with the old path, and far more requests than a demo has.
SUBTLE: tuple[Kind, ...] = ("errors-twofold", "wrong-split")
BLUNT: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in SUBTLE)

ERROR_RATE = 0.50
EXTRA_LATENCY_SECONDS = 1.2
LEAK_BLOCK_BYTES = 4_000_000
LEAK_LIMIT_BYTES = 200_000_000
# Paced by time, so that the leak is the same whether 3 or 120 requests a second take the new path.
LEAK_INTERVAL_SECONDS = 0.2
CORRUPTION_EVERY = 4


class Faults:
    """The faults in force now, and the memory the leak really holds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self._active: set[Kind] = set()
        self._blocks: list[bytes] = []
        self._clock = clock
        self._random = random.Random(seed)
        self._last_block = float("-inf")
        self._since_corruption = 0

    @property
    def active(self) -> tuple[Kind, ...]:
        """The kinds in force, in a fixed order."""
        return tuple(kind for kind in KINDS if kind in self._active)

    @property
    def leaked_bytes(self) -> int:
        """The bytes the leak holds at this moment."""
        return len(self._blocks) * LEAK_BLOCK_BYTES

    def inject(self, kind: Kind) -> None:
        """Put one more fault into force."""
        self._active.add(kind)

    def clear(self) -> None:
        """End every fault and give the leaked memory back."""
        self._active.clear()
        self._blocks.clear()
        self._since_corruption = 0

    def has(self, kind: Kind) -> bool:
        """Tell whether a kind is in force."""
        return kind in self._active

    def fails(self, base: float) -> bool:
        """Tell whether this request of the new path, of which `base` fail anyway, answers with an error for a fault."""
        rate = ERROR_RATE if "errors" in self._active else base if "errors-twofold" in self._active else 0.0
        return self._random.random() < rate

    def misroutes(self, user: str) -> bool:
        """Tell whether this user, meant for the new path, is sent to the old one: always the same half of them."""
        return "wrong-split" in self._active and zlib.crc32(user.encode()) % 2 == 0

    def extra_latency(self) -> float:
        """Return the seconds this request of the new path takes longer."""
        return EXTRA_LATENCY_SECONDS if "latency" in self._active else 0.0

    def leak(self) -> None:
        """Hold one more block if the leak is in force, below its limit, and the last block old enough."""
        if "leak" not in self._active or self.leaked_bytes + LEAK_BLOCK_BYTES > LEAK_LIMIT_BYTES:
            return
        now = self._clock()
        if now - self._last_block >= LEAK_INTERVAL_SECONDS:
            self._last_block = now
            # Filled with ones: pages of zeros would stay unmapped and the leak would only be on paper.
            self._blocks.append(b"\x01" * LEAK_BLOCK_BYTES)

    def corrupts(self) -> bool:
        """Tell whether this request of the new path gets a wrong answer: every fourth one, counted."""
        if "corruption" not in self._active:
            return False
        self._since_corruption += 1
        return self._since_corruption % CORRUPTION_EVERY == 0
