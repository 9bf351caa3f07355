"""Known requests, sent side by side as a user of the new path and as one of the old, and given up in time."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from blocks.calls.bounded import all_within
from blocks.errors import ConnectionFault, Refused
from blocks.web import Web
from engine.measuring.figures import web_of
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.external.known_requests import Caller, Probe, Probed, ProbeResult, Reply
from tidegate.criteria.external.synthetic import Known, known_requests, reply_of
from tidegate.values.exposure import ZERO

# Enough for every known request on both paths at once: one that hangs must not make another one late.
_SENDERS = 50
_GOOD_FOR = timedelta(minutes=1)


def probed(seen: MetricSnapshot, probe: Probe) -> Probed:
    """What both paths answer to the known requests; nothing is sent once a rollback has begun."""
    if why := _stopped(seen):
        return Probed(stopped=why)
    try:
        return Probed(seen.once(("synthetic", probe), lambda: _probe_both(seen, probe)))
    except (ConnectionFault, ValueError) as fault:
        return Probed(problem=str(fault))


def _probe_both(seen: MetricSnapshot, probe: Probe) -> tuple[ProbeResult, ...]:
    """The answers of this moment; between reviews, right ones may be up to a minute old.

    Sending them is the dearest part of a look, and a service has better things to do than to answer them all day.
    """
    kept, key = seen.run.kept, ("synthetic", seen.wave, probe)
    if key in kept:
        asked_at, good_for, answers = kept[key]
        if timedelta(0) <= seen.now - asked_at < good_for:
            known: tuple[ProbeResult, ...] = answers
            return known
        # Before anything is sent: right answers must not come back behind a wrong one, or none.
        del kept[key]
    answered = send_known(web_of(seen, probe.source), probe)
    if all(one.new is Reply.RIGHT and one.legacy is Reply.RIGHT for one in answered):
        # Not for all rollouts equally long: a watch has hundreds, and should not send for all of them at the same time.
        share = random.uniform(0.5, 1)  # noqa: S311 - no secret
        kept[key] = seen.now, min(_GOOD_FOR, seen.run.timing.interval(seen.wave)) * share, answered
    return answered


def _stopped(seen: MetricSnapshot) -> str:
    """Why no synthetic traffic may flow, or empty; the flag itself is asked, since it goes to zero before the entry."""
    run = seen.run
    if run.state.is_ending:
        return "No synthetic traffic: the rollout is rolled back or over."
    if run.connections.flags.read(run.flag).exposure == ZERO:
        return "No synthetic traffic: the flag is at zero."
    return ""


def send_known(web: Web, probe: Probe) -> tuple[ProbeResult, ...]:
    """What became of each known request on each path; raises ConnectionFault or ValueError where none is known."""
    patience = probe.patience.total_seconds()
    with all_within(patience):
        listed = web.ask(probe.source, path=probe.known, timeout=patience)
    known = known_requests(listed.status, listed.body)
    both = ((probe.new, probe.new_path), (probe.legacy, probe.legacy_path))
    jobs = [partial(_asked_twice, web, probe, one, caller, path) for one in known for caller, path in both]
    replies = _all_at_once(jobs)
    pairs = zip(known, replies[::2], replies[1::2], strict=True)
    return tuple(ProbeResult(one.id, new, legacy) for one, new, legacy in pairs)


def _all_at_once(jobs: Sequence[Callable[[], Reply]]) -> list[Reply]:
    with ThreadPoolExecutor(min(_SENDERS, len(jobs)), thread_name_prefix="synthetic") as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def _asked_twice(web: Web, probe: Probe, known: Known, caller: Caller, path: str) -> Reply:
    """One silence may be the network's; two are the path's."""
    reply = _asked(web, probe, known, caller, path)
    return _asked(web, probe, known, caller, path) if reply is Reply.SILENT else reply


def _asked(web: Web, probe: Probe, known: Known, caller: Caller, path: str) -> Reply:
    patience = probe.patience.total_seconds()
    headers = {
        probe.user_header: caller.user,
        probe.group_header: caller.group,
        "x-synthetic": "tidegate",
    }
    try:
        with all_within(patience):
            answer = web.ask(
                probe.source,
                method="POST",
                path=probe.send,
                body=known.body,
                headers=headers,
                timeout=patience,
            )
    except Refused:
        return Reply.REFUSED
    except ConnectionFault:
        return Reply.SILENT
    return reply_of(answer.status, answer.body, answer.headers.get(probe.path_header.lower()), path, known.answer)
