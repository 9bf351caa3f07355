"""One-time codes (RFC 6238): what a code proves at the instant it was given."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pyotp import TOTP

STEP = timedelta(seconds=30)
SLACK = 1  # steps to either side: clocks differ, and people type slowly
SEED_BITS = 160
WRONG_ALLOWED = 5
LOCK = timedelta(minutes=15)
REMEMBERED = 2 * LOCK  # how far back earlier answers matter to a new one
_CODE = re.compile(r"[0-9]{6}")
_SEED = re.compile(r"[A-Z2-7]+")
_BITS_PER_LETTER = 5


@dataclass(frozen=True, slots=True)
class CodeProof:
    """What an answer's code proved: the step it spends, or the problem; never the code itself."""

    given_at: datetime
    step: int | None = None
    problem: str = ""
    wrong: bool = False  # a guess that counts towards the lock

    def to_json(self) -> dict[str, Any]:
        """As stored in the journal."""
        return {
            "given_at": self.given_at.isoformat(),
            "step": self.step,
            "problem": self.problem,
            "wrong": self.wrong,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "CodeProof":
        """The inverse of `to_json`."""
        return cls(datetime.fromisoformat(body["given_at"]), body["step"], str(body["problem"]), bool(body["wrong"]))


def seed_problem(seed: object) -> str:
    """Why this is no seed, or empty; says nothing of its value."""
    if not isinstance(seed, str) or _SEED.fullmatch(seed) is None:
        return "found something else than base32 letters"
    bits = len(seed) * _BITS_PER_LETTER
    return "" if bits >= SEED_BITS else f"found {bits} bits, allowed are at least {SEED_BITS}"


def step_at(instant: datetime) -> int:
    """The number of the 30 s step that this instant lies in."""
    return int(instant.timestamp() // STEP.total_seconds())


def steps_of(seed: str, code: str, instant: datetime) -> tuple[int, ...]:
    """The steps around this instant whose code this is, the nearest first; empty for a wrong or old code."""
    now, otp = step_at(instant), TOTP(seed)
    around = sorted(range(now - SLACK, now + SLACK + 1), key=lambda step: abs(step - now))
    return tuple(step for step in around if hmac.compare_digest(otp.generate_otp(step), code))


def locked_until(earlier: Iterable[CodeProof], instant: datetime) -> datetime | None:
    """Until when wrong codes keep this person from being believed, or None."""
    wrong = sorted(proof.given_at for proof in earlier if proof.wrong)
    runs = zip(wrong, wrong[WRONG_ALLOWED - 1 :], strict=False)
    # Answers may be judged in another order than they were given, so the lock reaches to both sides.
    ends = [last + LOCK for first, last in runs if last - first < LOCK and abs(instant - last) < LOCK]
    return max(ends, default=None)


def locked(person: str, earlier: Iterable[CodeProof], given_at: datetime) -> str:
    """Why this person is not believed at all for a while, or empty."""
    until = locked_until(earlier, given_at)
    if until is None:
        return ""
    wait = f"after {WRONG_ALLOWED} wrong codes {person} is not believed until {until:%H:%M:%S} UTC"
    return f"{wait}; hold and rollback still work"


def unused(person: str, proof: CodeProof, earlier: Iterable[CodeProof]) -> CodeProof:
    """The proof, unless its code was spent before."""
    if proof.step is None or proof.step not in {one.step for one in earlier}:
        return proof
    return CodeProof(proof.given_at, problem=_used(person))


def _used(person: str) -> str:
    return f"the code of {person} was used already; wait for the next one"


def prove_code(person: str, seed: str | None, code: str, given_at: datetime, earlier: Iterable[CodeProof]) -> CodeProof:
    """What the code proves; `earlier` are this person's proofs of before, at whatever gate or rollout."""
    earlier, code = tuple(earlier), "".join(code.split())
    if seed is None:
        add = f"`tidegate approver add {person}`"
        return CodeProof(given_at, problem=f"{person} has no seed on this worker; {add} makes one there")
    if why := locked(person, earlier, given_at):
        return CodeProof(given_at, problem=why)
    if not code:
        return CodeProof(given_at, problem=f"no code was given; go and extend need the one-time code of {person}")
    matching = steps_of(seed, code, given_at) if _CODE.fullmatch(code) else ()
    if not matching:
        return CodeProof(given_at, problem=f"the code of {person} was wrong or too old", wrong=True)
    used = {proof.step for proof in earlier}
    fresh = next((step for step in matching if step not in used), None)
    return CodeProof(given_at, problem=_used(person)) if fresh is None else CodeProof(given_at, fresh)
