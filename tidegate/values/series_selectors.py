"""Which series a PromQL query selects: names, label matchers, and how far back it looks."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[a-zA-Z0-9_]*)"
    r"|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<sign>=~|!~|!=|==|>=|<=|[^\s])"
)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _LISTS | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
_WORDS |= {"default", "if", "ifnot", "keep_metric_names"}  # MetricsQL
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; the value as it is quoted in the query."""

    label: str
    sign: str
    value: str

    @property
    def text(self) -> str:
        """As PromQL has it."""
        return f"{self.label}{self.sign}{self.value}"


@dataclass(frozen=True, slots=True)
class SeriesSelector:
    """The series that one place of a query selects; `window` is how far back they are read (None: the newest point)."""

    name: str
    matchers: tuple[Matcher, ...]
    window: timedelta | None = None
    shifted: bool = False  # by `offset` or `@`: another time is meant

    @property
    def text(self) -> str:
        """As PromQL has it, without its window."""
        return self.name + ("{" + ",".join(m.text for m in self.matchers) + "}" if self.matchers else "")

    @property
    def milliseconds(self) -> str:
        """The window as PromQL has it."""
        return f"{round((self.window or timedelta(0)).total_seconds() * 1000)}ms"

    def covers(self, other: "SeriesSelector") -> bool:
        """Whether every series of `other` is one of these."""
        return self.name == other.name and set(self.matchers) <= set(other.matchers)


@lru_cache(maxsize=4096)
def series_selectors(query: str) -> tuple[SeriesSelector, ...]:
    """Every selector of the query in its order."""
    tokens = [(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(query)]
    found: list[SeriesSelector] = []
    whole = timedelta(0)  # the longest subquery
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        follows = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind == "name" and text.lower() in _LISTS and follows == "(":
            at = _after(tokens, at + 1, ")")
        elif (text.lower() == "offset" and kind == "name") or text == "@":
            if found:
                found[-1] = replace(found[-1], shifted=True)
            at += 1
        elif kind == "name" and (follows.lower() in ("(", "by", "without") or text.lower() in _WORDS):
            at += 1
        elif kind == "name" or text == "{":
            one, at = _selector(tokens, at)
            found.append(one)
        elif text == "[":
            end = _after(tokens, at, "]")
            whole = max(whole, _span("".join(t for _, t in tokens[at + 1 : end - 1]).split(":")[0]))
            at = end
        else:
            at += 1
    return tuple(replace(one, window=max(one.window or whole, whole)) for one in found) if whole else tuple(found)


def _selector(tokens: list[tuple[str, str]], at: int) -> tuple[SeriesSelector, int]:
    name, matchers = "", []
    if tokens[at][0] == "name":
        name, at = tokens[at][1], at + 1
    if at < len(tokens) and tokens[at][1] == "{":
        end = _after(tokens, at, "}")
        for part in _parts(tokens[at + 1 : end - 1]):
            if len(part) == 1:
                matchers.append(Matcher("__name__", "=", part[0]))
            elif len(part) == 3:
                matchers.append(Matcher(*part))
        at = end
    window = None
    if at < len(tokens) and tokens[at][1] == "[":
        end = _after(tokens, at, "]")
        window, at = _span("".join(t for _, t in tokens[at + 1 : end - 1]).split(":")[0]), end
    return SeriesSelector(name, tuple(matchers), window), at


def _parts(tokens: list[tuple[str, str]]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for _, text in tokens:
        if text == ",":
            parts.append([])
        else:
            parts[-1].append(text)
    return [part for part in parts if part]


def _after(tokens: list[tuple[str, str]], at: int, closing: str) -> int:
    """The place behind the next `closing`."""
    return next((n + 1 for n in range(at, len(tokens)) if tokens[n][1] == closing), len(tokens))


def _span(text: str) -> timedelta:
    return timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(text)))
