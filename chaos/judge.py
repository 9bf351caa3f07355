"""What was promised, held against what the observer saw. It imports nothing of the product."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from chaos.clocks import STEP
from chaos.observer import Observer

TRAVELS = 3.0  # seconds until every request follows the flag
_SHARES = 1e-6


def violations(seen: Observer, inbox: Path) -> list[str]:
    """A sentence for each promise that was not kept, with its instant; empty when all were."""
    return [*_exposure(seen), *_counters(seen), *_journal(seen), *_claims(seen), *_notices(seen, inbox)]


def timeline(seen: Observer, around: float, seconds: float = 15.0) -> list[str]:
    """What was seen and what the journal says, side by side, around an instant."""
    lines = [(s.at, f"flag at {s.share}") for s in seen.shares]
    lines += [(at, f"{share:.0%} of {rollout} approved") for at, rollout, share in seen.known.approved]
    lines += [(at, f"zero of {rollout} ordered") for rollout, at in seen.known.ordered.items()]
    lines += [(at, f"zero of {rollout} told") for rollout, at in seen.known.zeroed.items()]
    lines += [(at, f"journal of {rollout}: {number} {kind}") for rollout, number, at, kind, *_ in seen.entries()]
    return [f"{_clock(at)}  {what}" for at, what in sorted(lines) if abs(at - around) <= seconds]


def _zero_from(seen: Observer) -> dict[str, float]:
    """By rollout: from when on zero is promised, whoever ordered it."""
    zero = dict(seen.known.zeroed)
    for rollout, _, written, kind, body, *_ in seen.entries():
        if kind == "rolling_back" and body.get("zero_at"):
            at = datetime.fromisoformat(body["zero_at"]).timestamp()
            # By the clock of whoever wrote it, which was stepped perhaps; the database's never is.
            at -= STEP * round((at - written) / STEP)
            zero[rollout] = min(at, zero.get(rollout, at))
    return zero


def _allowed(seen: Observer, at: float, zero: dict[str, float]) -> float:
    """The share that somebody has approved by then, of the rollout that was begun last."""
    begun = [(began, rollout) for rollout, began in seen.known.begun.items() if began <= at]
    if not begun:
        return 0.0
    rollout = max(begun)[1]
    if at > zero.get(rollout, at):
        return 0.0
    return max([share for when, who, share in seen.known.approved if who == rollout and when <= at], default=0.0)


def _exposure(seen: Observer) -> Iterator[str]:
    zero = _zero_from(seen)
    raised: Counter[tuple[str, float]] = Counter()
    before = 0.0
    for sight in seen.shares:
        if sight.share is None:
            continue
        # A file that was read just before zero was recorded may be seen just behind it.
        allowed = max(_allowed(seen, sight.at, zero), _allowed(seen, sight.at - 0.5, zero))
        if sight.share > allowed + _SHARES:
            yield f"{_clock(sight.at)}: {sight.share:.0%} are exposed, {allowed:.0%} were approved"
        if sight.share > before:
            rollout = max((at, name) for name, at in seen.known.begun.items() if at <= sight.at)[1]
            raised[rollout, sight.share] += 1
        before = sight.share
    # What was lowered again for want of a permit may be raised by the next one.
    lowered = Counter(name for name, _, _, kind, *_ in seen.entries() if kind in ("raise_reverted", "lowered"))
    for (rollout, share), times in raised.items():
        if times > 1 + lowered[rollout]:
            yield f"{rollout}: raised to {share:.0%} {times} times"


def _counters(seen: Observer) -> Iterator[str]:
    """After zero the new path is chosen no more, until the next rollout's first approval."""
    zero = _zero_from(seen)
    starts = sorted(at for at, _, _ in seen.known.approved)
    for rollout, at in zero.items():
        until = min((start for start in starts if start > at), default=float("inf"))
        still = [count for when, count in seen.counts if at + TRAVELS < when < until]
        if still and max(still) != min(still):
            yield f"{rollout}: {max(still) - min(still):.0f} requests took the new path after its zero at {_clock(at)}"


def _journal(seen: Observer) -> Iterator[str]:
    entries = seen.entries()
    for rollout, chain in itertools.groupby(entries, key=lambda entry: entry[0]):
        known = list(chain)
        if [number for _, number, *_ in known] != list(range(1, len(known) + 1)):
            yield f"{rollout}: its entries are not numbered one after the other"
        for one, two in itertools.pairwise(known):
            if two[5] != one[6]:
                yield f"{rollout}: entry {two[1]} does not follow the one before it"
    yield from _lost(seen, {(rollout, number): hashed for rollout, number, *_, hashed in entries})
    for rollout in seen.known.begun:
        own = [(kind, body) for name, _, _, kind, body, *_ in entries if name == rollout]
        waves = Counter(body["wave"] for kind, body in own if kind == "raised")
        for wave, times in waves.items():
            if times > 1:
                yield f"{rollout}: wave {wave} is recorded as raised {times} times"
        if own and not any(kind == "proven" and body.get("proven") is True for kind, body in own):
            yield f"{rollout}: its zero was never proven"


def _lost(seen: Observer, now: dict[tuple[str, int], str]) -> Iterator[str]:
    """What once was committed stays, whichever server has it."""
    for (rollout, number), hashed in seen.written.items():
        if now.get((rollout, number)) != hashed:
            became = "another one stands there" if (rollout, number) in now else "it is gone"
            yield f"{rollout}: entry {number} was read once, and {became}"


def _claims(seen: Observer) -> Iterator[str]:
    """Nobody takes a claim whose lease runs, but for zero, which waits for nobody.

    Whoever stands by makes room for one on another host, which would survive the loss of the watch's own.
    """
    zero = _zero_from(seen)
    orders = [(seen.known.ordered.get(name, at), at) for name, at in zero.items()]
    orders += [(at, zero.get(name, at + 60)) for name, at in seen.known.ordered.items()]
    for at, flag, before, after, left in seen.rows("SELECT at, flag, before, after, remaining FROM chaos_claims"):
        for_zero = not flag.startswith("~") and any(first - 1 <= at <= last + 60 for first, last in orders)
        makes_room = flag == "~watch-standby" and before.partition(":")[0] != after.partition(":")[0]
        if left > 0.5 and not for_zero and not makes_room:
            yield f"{_clock(at)}: {after} took the claim on {flag} from {before}, whose lease ran for {left:.1f} s more"


def _notices(seen: Observer, inbox: Path) -> Iterator[str]:
    messages = {}
    for line in inbox.read_text().splitlines() if inbox.exists() else ():
        message = json.loads(line)
        messages[message["id"]] = message
    came: Counter[tuple[str, str, str]] = Counter()  # by channel, rollout and event
    for message in messages.values():
        if message["kind"] == "slack" and message.get("metadata"):
            about = message["metadata"]["event_payload"]
            came[message["channel"], about["rollout"], about["event"]] += 1
    arrived = {(rollout, event) for _, rollout, event in came}
    for rollout, _, at, kind, body, *_ in seen.entries():
        if kind == "queued" and rollout in seen.known.begun and (rollout, body["notice"]["event"]) not in arrived:
            yield f"{_clock(at)}: {rollout}'s notice {body['notice']['event']} never arrived"
    for (channel, rollout, event), times in came.items():
        if times > 1:
            yield f"{rollout}'s notice {event} came {times} times in {channel}"
    pages = Counter(m["dedup_key"] for m in messages.values() if m["kind"] == "pagerduty")
    begun = _problems(seen)
    for key, times in pages.items():
        if times > max(1, begun[key]):
            yield f"{times} incidents for the one problem {key}"


def _problems(seen: Observer) -> Counter[str]:
    """How often each problem has begun, by the journal: one that was over may come back."""
    begun: Counter[str] = Counter()
    lasting: set[str] = set()
    for rollout, _, _, kind, body, *_ in seen.entries():
        if kind == "queued" and (problem := body["notice"].get("problem")):
            key = f"{rollout}/{problem}"
            begun[key] += key not in lasting and not body["notice"]["resolves"]
            (lasting.discard if body["notice"]["resolves"] else lasting.add)(key)
    return begun


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%H:%M:%S.%f}"[:-4]  # noqa: DTZ006 - of this machine, as its logs are
