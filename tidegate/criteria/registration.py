"""What a kind of criterion must state before a plan may use it: half of one would be accepted and never advance."""

import re
from typing import get_args

from tidegate.criteria.base import BaseCriterion
from tidegate.values.model import NAME

STATED = ("requests", "judge", "sentence", "in_backtest")


def kind_word(kind: type[BaseCriterion]) -> str:
    """The word that a plan writes for it; raises TypeError where it states none, or more than one."""
    field = kind.model_fields.get("kind")
    words = get_args(field.annotation) if field is not None else ()
    if len(words) != 1 or not isinstance(words[0], str) or re.fullmatch(NAME, words[0]) is None:
        raise TypeError(f'{kind.__name__}: kind is no single word, allowed is kind: Literal["a_word"]')
    return words[0]


def whole(kind: object) -> type[BaseCriterion]:
    """The kind; raises TypeError, saying what it lacks, unless it states all that the registry asks of one."""
    if not isinstance(kind, type) or not issubclass(kind, BaseCriterion):
        raise TypeError(f"found {kind!r}, allowed is a subclass of BaseCriterion")
    kind_word(kind)
    missing = [name for name in STATED if getattr(kind, name) is getattr(BaseCriterion, name)]
    missing += [] if kind.example.strip() else ["example"]
    if missing:
        raise TypeError(f"{kind.__name__} lacks {', '.join(missing)}")
    return kind
