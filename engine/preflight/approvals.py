"""Preflight where approvals need codes: whether everybody who is asked has a seed, and Prefect's API wants a log-in."""

import os
import time
from collections.abc import Set as AbstractSet
from pathlib import Path

import httpx

from blocks.calls.addresses import without_userinfo
from engine.gates.code_client import NoCodeService, SocketCodeJudge, codes_socket
from engine.gates.totp_seeds import ApproversError, approvers_path, read_seeds
from engine.prefect_api.server import asked_until
from engine.preflight.checks import Check
from tidegate.gates.approval import asked_people
from tidegate.plan.model import Approvals, Plan
from tidegate.values.verdict import Finding, Verdict

_SEEDS = "Every approver has a one-time code on this worker"
_LOG_IN = "Prefect's API wants a log-in"
_WAIT_SECONDS = 5.0
_PATIENCE_SECONDS = 15.0  # with a busy server


def approval_checks(plan: Plan, api: str | None) -> tuple[Check, ...]:
    """The checks for this worker and its Prefect API; none where approvals are open."""
    if plan.approvals is Approvals.OPEN:
        return ()
    return (
        Check("approvers", _SEEDS, lambda: seeds_finding(plan, approvers_path(), codes_socket())),
        Check("prefect_log_in", _LOG_IN, lambda: log_in_finding(api)),
    )


def seeds_finding(plan: Plan, path: Path, service: Path | None = None) -> Finding:
    """FAIL while somebody who may be asked for a code at some gate has no seed, or the service protects nothing."""
    where = path if service is None else service
    try:
        seeds: AbstractSet[str] = read_seeds(path).keys() if service is None else _people(service, path)
    except ApproversError as error:
        return Finding("approvers", _SEEDS, Verdict.ERROR, str(error))
    except NoCodeService as fault:
        return Finding("approvers", _SEEDS, Verdict.ERROR, f"No code is accepted: {fault}.")
    except _Unprotected as why:
        return Finding("approvers", _SEEDS, Verdict.FAIL, str(why))
    people = {person for wave in range(1, len(plan.waves) + 1) for person in asked_people(plan, wave)}
    without = sorted(people - seeds)
    if without:
        who = "on the worker" if service is None else "as the user of the code service"
        fix = f"run `tidegate approver add EMAIL` {who} for each"
        return Finding("approvers", _SEEDS, Verdict.FAIL, f"No seed of {', '.join(without)} in {where}: {fix}.")
    kept = "" if service is None else " The seeds lie with the code service, and this worker cannot read them."
    return Finding("approvers", _SEEDS, Verdict.PASS, f"{len(people)} of {len(people)} people have one.{kept}")


class _Unprotected(Exception):
    """The code service runs, and the worker could read the seeds all the same."""


def _people(service: Path, seeds: Path) -> frozenset[str]:
    judge = SocketCodeJudge(service)
    people = judge.people()
    if judge.user() == os.geteuid():
        raise _Unprotected(
            "The code service runs as this worker's own user, who can read its seeds: give it another one."
        )
    if os.access(seeds, os.R_OK):
        raise _Unprotected(f"This worker can read {seeds}: with a code service only that service's user may.")
    return people


def log_in_finding(api: str | None) -> Finding:
    """PASS when the API refuses (401, 403) to count runs for somebody who brings no credentials."""
    if not api:
        why = "PREFECT_API_URL is not set, so Prefect serves itself here, without a log-in."
        return Finding("prefect_log_in", _LOG_IN, Verdict.FAIL, why)
    try:
        answer = asked_until(time.monotonic() + _PATIENCE_SECONDS, lambda: _of_a_stranger(api))
    except httpx.HTTPError as error:
        return Finding("prefect_log_in", _LOG_IN, Verdict.ERROR, f"It does not answer ({type(error).__name__}).")
    status = answer.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return Finding("prefect_log_in", _LOG_IN, Verdict.PASS, f"It refuses a stranger ({status}).")
    if answer.is_success:
        fix = "set PREFECT_SERVER_API_AUTH_STRING there and PREFECT_API_AUTH_STRING for its clients"
        return Finding("prefect_log_in", _LOG_IN, Verdict.FAIL, f"It answers a stranger ({status}): {fix}.")
    return Finding(
        "prefect_log_in", _LOG_IN, Verdict.ERROR, f"It answered {status} to a stranger, allowed is 401 or 403."
    )


def _of_a_stranger(api: str) -> httpx.Response:
    # Without Prefect's client and the address's own log-in: both would bring this worker's credentials.
    answer = httpx.post(f"{without_userinfo(api).rstrip('/')}/flow_runs/count", json={}, timeout=_WAIT_SECONDS)
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        answer.raise_for_status()
    return answer
