"""Looking at what the checklist names: each line's evidence is fetched, in its own time, and judged."""

import contextvars
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault, Unreachable
from engine.past.backtest import newest_backtest
from engine.preflight.evidence import (
    Missing,
    commands_of,
    content_of,
    evidence_of,
    file_content,
    kit_web,
    newest_backup,
)
from engine.rollback.drills import last_drill
from tidegate.backtest.proof import judge_backtest
from tidegate.checklist.items import (
    BacktestProof,
    BackupProof,
    BaseProof,
    BenchmarkProof,
    CommandProof,
    DnsProof,
    DrillProof,
    FilesProof,
    HttpProof,
    JunitProof,
    LoadBalancerProof,
    PagerDutyAsks,
    PagerDutyProof,
    PrometheusProof,
    ReviewsProof,
    RolesProof,
    SlackProof,
)
from tidegate.checklist.judge import (
    ChecklistLine,
    checklist_lines,
    judge_command,
    judge_dns,
    judge_drill,
    judge_http,
    judge_integration,
    judge_on_call,
    judge_prometheus,
    judge_roles,
    judge_slack,
    judge_without_look,
)
from tidegate.checklist.judge_reports import (
    FileFacts,
    found,
    judge_backup,
    judge_benchmark,
    judge_files,
    judge_junit,
    judge_reviews,
)
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.plan.schedule import minimum_duration
from tidegate.values.verdict import Finding, Verdict

COMMAND_SECONDS, LOOK_SECONDS = 60.0, 15.0
# What a look needs beyond its own limit, to say in its own words that it took too long.
_GRACE_SECONDS = 3.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChecklistSources:
    """What the looks of one preflight have in common."""

    connections: OpenConnections
    plan: Plan
    timing: Timing
    now: datetime


Look = Callable[[], Finding]


def line_looks(scene: ChecklistSources) -> tuple[tuple[ChecklistLine, Look], ...]:
    """Each line of the checklist with its look; a look never raises and ends within its time-out."""
    return tuple((line, partial(_looked, scene, line)) for line in checklist_lines(scene.plan))


def _looked(scene: ChecklistSources, line: ChecklistLine) -> Finding:
    item, limit = line.item, _limit(line.item)
    finding = judge_without_look(item)
    if finding is None:
        try:
            finding = within_seconds(limit + _GRACE_SECONDS, partial(_judged, scene, item, limit))
        except Missing as missing:
            finding = found(item, Verdict.ERROR, str(missing))
        except ConnectionFault as fault:
            finding = found(item, Verdict.ERROR, f"{type(fault).__name__}: {fault}.")
        except TimeoutError:
            finding = found(item, Verdict.ERROR, f"No answer within {limit:g} s: look what hangs, or raise timeout.")
        except Exception as error:  # noqa: BLE001 - a look that breaks has found nothing good
            finding = found(item, Verdict.ERROR, f"{type(error).__name__}: {error}.")
    return replace(finding, criterion=line.id, text=line.text)


def within_seconds(seconds: float, look: Callable[[], T]) -> T:
    """What `look` returns or raises; TimeoutError when it takes longer, whatever it hangs in."""
    context, ended = contextvars.copy_context(), threading.Event()
    answers: list[T] = []
    faults: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(context.run(look))
        except BaseException as fault:  # noqa: BLE001 - raised again below, in the caller's thread
            faults.append(fault)
        ended.set()

    # A daemon: a resolver that hangs in the system's library cannot be interrupted, and must not keep us here.
    threading.Thread(target=work, name="checklist", daemon=True).start()
    if not ended.wait(seconds):
        raise TimeoutError
    if faults:
        raise faults[0]
    return answers[0]


def _limit(item: BaseProof) -> float:
    if item.timeout is not None:
        return item.timeout.total_seconds()
    return COMMAND_SECONDS if getattr(item, "command", None) is not None else LOOK_SECONDS


def _judged(scene: ChecklistSources, item: BaseProof, limit: float) -> Finding:
    via, now = scene.connections, scene.now
    match item:
        case JunitProof():
            evidence = evidence_of(via)
            return judge_junit(item, {path: file_content(evidence, path) for path in item.report}, now)
        case ReviewsProof():
            return judge_reviews(item, content_of(via, item, limit), now)
        case BenchmarkProof():
            return judge_benchmark(item, content_of(via, item, limit), now)
        case BackupProof():
            return judge_backup(item, newest_backup(via, item, limit), now)
        case FilesProof():
            evidence = evidence_of(via)
            seen = {path: evidence.look(path) for path in item.paths}
            facts = {path: FileFacts(one.size, one.changed) if one else None for path, one in seen.items()}
            return judge_files(item, facts, now)
        case CommandProof() | LoadBalancerProof():
            done = commands_of(via).run(item.command, timeout=limit)
            return judge_command(item, done.code, done.output)
        case HttpProof():
            answer = kit_web(via).ask(item.source, path=item.path, timeout=limit)
            return judge_http(item, answer.status, answer.body)
        case PrometheusProof():
            return judge_prometheus(item, via.prometheus.instant({"proof": item.query}, now)["proof"])
        case PagerDutyProof():
            return _pagerduty(scene, item)
        case SlackProof():
            return _slack(scene, item)
        case DnsProof():
            return judge_dns(item, {name: _addresses(name) for name in item.names})
        case DrillProof():
            return judge_drill(item, newest_drill(via, scene.plan.flag.key), now)
        case BacktestProof():
            return judge_backtest(item, scene.plan, newest_backtest(via.journal, scene.plan, now - item.fresh), now)
        case RolesProof():
            return judge_roles(item, scene.plan)
    return found(item, Verdict.ERROR, f"Nothing looks at proofs of kind {type(item).__name__}.")


def newest_drill(connections: OpenConnections, flag: str) -> datetime | None:
    """When a rollback drill of this flag last succeeded, or None."""
    drilled = last_drill(connections, flag)
    return None if drilled is None else drilled[0]


def _pagerduty(scene: ChecklistSources, item: PagerDutyProof) -> Finding:
    pagerduty = scene.connections.pagerduty
    if pagerduty is None or pagerduty.api_token is None:
        part = "a part pagerduty with routing_key and api_token" if pagerduty is None else "api_token to pagerduty"
        raise Missing(f"PagerDuty cannot be asked: add {part} (a read-only REST key) to the kit.")
    service = pagerduty.service(item.service)
    if item.asks is PagerDutyAsks.INTEGRATION or service is None:
        if service is not None:
            pagerduty.check()
        return judge_integration(item, service.status if service else None)
    if not service.policy:
        return found(item, Verdict.FAIL, f"The service {item.service} has no escalation policy: nobody would be paged.")
    until = scene.now + max(scene.timing.pace.real(_days(scene.plan)), timedelta(minutes=1))
    shifts = pagerduty.on_call(service.policy, scene.now, until)
    return judge_on_call(item, [(one.start, one.end, one.who) for one in shifts], scene.now, until)


def _days(plan: Plan) -> timedelta:
    """From now to the end of the last wave; the observed days after it are nobody's deployment week."""
    return minimum_duration(plan) - plan.post_rollout.soak


def _slack(scene: ChecklistSources, item: SlackProof) -> Finding:
    slack = scene.connections.slack
    if slack is None:
        raise Missing(
            "Slack cannot be asked: add a part slack with token (scopes chat:write, channels:read) to the kit."
        )
    names = item.channels or (scene.plan.channels.critical, scene.plan.channels.warnings)
    channels = slack.channels(names)
    return judge_slack(item, {name: (one.member, one.archived) if one else None for name, one in channels.items()})


def _addresses(name: str) -> tuple[str, ...]:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL):
            raise Unreachable(f"the resolver does not answer for {name} ({error.strerror})") from error
        return ()
    except UnicodeError:
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
