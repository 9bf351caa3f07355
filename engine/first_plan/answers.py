"""What `tidegate init` asks: each answer with its question and, where there is a usual one, its default."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LANGUAGES = ("python", "node", "go", "java")
ENVIRONMENTS = ("production", "rehearsal")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_EMAILS = re.compile(r"[^@\s,]+@[^@\s,]+(,\s*[^@\s,]+@[^@\s,]+)*")
_URL = re.compile(r"https?://\S+")
_WORD = re.compile(r"[A-Za-z0-9._/-]+")
_MATCHERS = re.compile(r'[a-zA-Z_][a-zA-Z0-9_]*=~?"[^"\n]*"(,[a-zA-Z_][a-zA-Z0-9_]*=~?"[^"\n]*")*')


class AnswerError(ValueError):
    """An answer that cannot be used; one sentence with the field, what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """What is asked, and the answer where none is given; None: there has to be one."""

    words: str
    usual: str | None = None


QUESTIONS: Mapping[str, PlanQuestion] = {
    "prometheus": PlanQuestion("Prometheus' address", "http://localhost:9090"),
    "service": PlanQuestion('The service there: its job, or matchers such as app="shop",env="prod"'),
    "name": PlanQuestion("The name of the release, which is its flag's key, too"),
    "path_label": PlanQuestion("The label that tells the new path from the old one", "path"),
    "new": PlanQuestion("Its value on the new path", "new"),
    "old": PlanQuestion("Its value on the old path", "old"),
    "group_label": PlanQuestion("The label, and the flag's attribute, of a user's group", "group"),
    "staff": PlanQuestion("The group that is exposed first", "staff"),
    "lead": PlanQuestion("Who approves: e-mail addresses of the leads, by comma"),
    "on_call": PlanQuestion("Who approves beside them: e-mail addresses of those on call"),
    "timezone": PlanQuestion("The time zone of the plan's days", "UTC"),
    "flag_file": PlanQuestion("The flagd file that the service reads (absolute)"),
    "journal": PlanQuestion("Where rollouts are recorded (SQLite is for trying out)", ""),
    "language": PlanQuestion(f"The service's language: {', '.join(LANGUAGES)}", "python"),
    "environment": PlanQuestion(
        f"What is connected: {' or '.join(ENVIRONMENTS)} (where a day may take seconds)", ENVIRONMENTS[0]
    ),
}


@dataclass(frozen=True, slots=True)
class InitAnswers:
    """Every answer, checked."""

    prometheus: str
    service: str
    name: str
    path_label: str
    new: str
    old: str
    group_label: str
    staff: str
    lead: str
    on_call: str
    timezone: str
    flag_file: str
    journal: str
    language: str
    environment: str

    @property
    def matchers(self) -> str:
        """What selects the service's series."""
        return self.service if "=" in self.service else f'job="{self.service}"'

    @property
    def service_name(self) -> str:
        """The service's name in the plan."""
        found = re.search(r'"([^"]*)"', self.matchers)
        return re.sub(r"[^a-z0-9._-]+", "-", (found[1] if found else self.name).lower()).strip("-._") or self.name

    @property
    def prefix(self) -> str:
        """How the metrics begin that the snippet counts."""
        return re.sub(r"[^a-z0-9]+", "_", self.name)


def checked(given: Mapping[str, Any]) -> InitAnswers:
    """The answers, the usual ones filled in; raises AnswerError."""
    for key in given:
        if key not in QUESTIONS:
            raise AnswerError(f"{key}: no such answer, allowed are {', '.join(QUESTIONS)}")
    said = {
        key: str(given.get(key, one.usual) if given.get(key) is not None else one.usual or "").strip()
        for key, one in QUESTIONS.items()
    }
    for key, one in QUESTIONS.items():
        if one.usual is None and not said[key]:
            raise AnswerError(f"{key}: found nothing, allowed is an answer to: {one.words}")
    _must(said, "prometheus", _URL, "an address such as http://localhost:9090")
    _must(said, "name", _NAME, "a name of small letters, digits, and . _ - inside")
    for key in ("path_label", "group_label"):
        _must(said, key, _LABEL, "a label's name")
    for key in ("new", "old", "staff"):
        _must(said, key, _WORD, "a label's value of letters, digits and . _ / -")
    if "=" in said["service"]:
        _must(said, "service", _MATCHERS, 'a job, or matchers such as app="shop",env="prod"')
    else:
        _must(said, "service", _WORD, 'a job, or matchers such as app="shop",env="prod"')
    for key in ("lead", "on_call"):
        _must(said, key, _EMAILS, "e-mail addresses by comma")
    if said["new"] == said["old"]:
        raise AnswerError(f"old: found {said['old']!r}, allowed is another value than on the new path")
    if not said["flag_file"].startswith("/"):
        raise AnswerError(f"flag_file: found {said['flag_file']!r}, allowed is an absolute path")
    if said["language"] not in LANGUAGES:
        raise AnswerError(f"language: found {said['language']!r}, allowed are {', '.join(LANGUAGES)}")
    if said["environment"] not in ENVIRONMENTS:
        raise AnswerError(f"environment: found {said['environment']!r}, allowed are {', '.join(ENVIRONMENTS)}")
    try:
        ZoneInfo(said["timezone"])
    except (ZoneInfoNotFoundError, ValueError):
        raise AnswerError(
            f"timezone: found {said['timezone']!r}, allowed is an IANA time zone such as Europe/Berlin"
        ) from None
    return InitAnswers(**{one.name: said[one.name] for one in fields(InitAnswers)})


def _must(said: Mapping[str, str], key: str, pattern: re.Pattern[str], allowed: str) -> None:
    if pattern.fullmatch(said[key]) is None:
        raise AnswerError(f"{key}: found {said[key]!r}, allowed is {allowed}")
