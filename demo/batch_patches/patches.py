"""The business of the demo service: applying a batch of patches to a document, in two ways that must agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

Json: TypeAlias = Any
Operation: TypeAlias = Literal["set", "remove", "append"]
OPERATIONS: tuple[Operation, ...] = ("set", "remove", "append")
REMOVED = object()


class InvalidPatch(ValueError):
    """The request holds a patch that neither path can apply."""


@dataclass(frozen=True)
class Patch:
    """One change of one field of a document."""

    op: Operation
    field: str
    value: Json = None


@dataclass(frozen=True)
class Request:
    """A document and the patches to apply to it."""

    document: Mapping[str, Json]
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class Answer:
    """The patched document and how many patches went into it."""

    document: Mapping[str, Json]
    applied: int

    def to_json(self) -> dict[str, Json]:
        """Return the body of the HTTP answer."""
        return {"document": dict(self.document), "applied": self.applied}


def parse_request(body: Json) -> Request:
    """Return the request in a decoded JSON body, or raise InvalidPatch saying what is wrong with it."""
    if not isinstance(body, dict) or not isinstance(body.get("document"), dict):
        raise InvalidPatch("a request is an object with a document and a list of patches")
    if not isinstance(body.get("patches"), list):
        raise InvalidPatch("patches must be a list")
    return Request(document=body["document"], patches=tuple(_parse_patch(item) for item in body["patches"]))


def _parse_patch(item: Json) -> Patch:
    if not isinstance(item, dict) or item.get("op") not in OPERATIONS or not isinstance(item.get("field"), str):
        raise InvalidPatch(f"a patch needs a field and an op, one of {', '.join(OPERATIONS)}")
    if item["op"] == "append" and not isinstance(item.get("value"), str):
        raise InvalidPatch("append needs a text value")
    return Patch(op=cast(Operation, item["op"]), field=item["field"], value=item.get("value"))


def apply_one_by_one(request: Request) -> Answer:
    """Apply each patch to the whole document in turn: the legacy path."""
    document = dict(request.document)
    for patch in request.patches:
        document = dict(document)
        after = _change(document.get(patch.field, REMOVED), patch)
        document.pop(patch.field, None)
        if after is not REMOVED:
            document[patch.field] = after
    return Answer(document=document, applied=len(request.patches))


def apply_in_batch(request: Request) -> Answer:
    """Work out the final value of every touched field, then change the document once: the new path."""
    final: dict[str, Json] = {}
    for patch in request.patches:
        before = final[patch.field] if patch.field in final else request.document.get(patch.field, REMOVED)
        final[patch.field] = _change(before, patch)
    document = {field: value for field, value in request.document.items() if field not in final}
    document |= {field: value for field, value in final.items() if value is not REMOVED}
    return Answer(document=document, applied=len(request.patches))


def corrupt(answer: Answer) -> Answer:
    """Return the answer with one field lost, as a faulty batch would."""
    fields = sorted(answer.document)
    return Answer(document={field: answer.document[field] for field in fields[1:]}, applied=answer.applied)


def keeps_invariant(request: Request, answer: Answer) -> bool:
    """Tell whether exactly those fields are there that the patches leave, untouched ones with their old value."""
    last = {patch.field: patch.op for patch in request.patches}
    expected = {field for field in request.document if field not in last}
    untouched_kept = all(
        field in answer.document and answer.document[field] == request.document[field] for field in expected
    )
    expected |= {field for field, op in last.items() if op != "remove"}
    return untouched_kept and set(answer.document) == expected


def _change(before: Json, patch: Patch) -> Json:
    match patch.op:
        case "remove":
            return REMOVED
        case "set":
            return patch.value
        case "append":
            return (before if isinstance(before, str) else "") + patch.value


@dataclass(frozen=True)
class KnownRequest:
    """A synthetic request whose right answer is written down, not computed."""

    id: str
    body: Mapping[str, Json]
    answer: Mapping[str, Json]


def _known(
    id: str, document: dict[str, Json], patches: Iterable[tuple[str, ...]], after: dict[str, Json]
) -> KnownRequest:
    items = [dict(zip(("op", "field", "value"), patch, strict=False)) for patch in patches]
    return KnownRequest(id, {"document": document, "patches": items}, {"document": after, "applied": len(items)})


KNOWN_REQUESTS: tuple[KnownRequest, ...] = (
    _known("known-set", {"title": "draft"}, [("set", "title", "final")], {"title": "final"}),
    _known("known-remove", {"a": 1, "b": 2}, [("remove", "b")], {"a": 1}),
    _known("known-append", {"log": "x"}, [("append", "log", "y"), ("append", "log", "z")], {"log": "xyz"}),
    _known(
        "known-mixed",
        {"keep": True, "old": "gone", "text": "one"},
        [("set", "new", "here"), ("remove", "old"), ("append", "text", " two"), ("set", "new", "there")],
        {"keep": True, "text": "one two", "new": "there"},
    ),
)
