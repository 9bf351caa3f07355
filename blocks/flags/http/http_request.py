"""One request of a description: its method, path, headers and body, with places that are filled in and encoded."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from blocks.errors import Refused

_PLACE = re.compile(r"\{([a-z_]+)\}")
PLACES = ("flag", "percent", "exposure", "exposure_json", "epoch", "version", "on", "off")
_DOTS = {".", ".."}


class HttpRequest(BaseModel, extra="forbid", frozen=True):
    """A request to a flag service; {flag}, {percent}, {exposure}, {exposure_json}, {epoch}, {version} are filled in."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(description="The request's method.")
    path: Annotated[str, StringConstraints(pattern=r"^/[\x21-\x7e]*$", max_length=500)] = Field(
        description="The path below the address, with its query; places in it are percent-encoded."
    )
    body: Any = Field(default=None, description="The JSON that is sent; a text that is one place becomes its value.")
    headers: dict[str, str] = Field(default={}, description="Headers of this request, such as If-Match: '{version}'.")

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not name.isascii() or not name.replace("-", "").isalnum() or not value.isprintable():
                raise ValueError(
                    f"found {name[:40]!r}, allowed are headers of one line, named by letters, digits and -"
                )
        return headers

    @model_validator(mode="after")
    def _known_places(self) -> "HttpRequest":
        for text in (self.path, *self.headers.values(), *_texts(self.body)):
            for place in _PLACE.findall(text):
                if place not in PLACES:
                    raise ValueError(f"found {{{place}}}, allowed are {', '.join(f'{{{p}}}' for p in PLACES)}")
        return self

    def names(self, place: str) -> bool:
        """Whether this place stands anywhere in it."""
        return any(f"{{{place}}}" in text for text in (self.path, *self.headers.values(), *_texts(self.body)))

    def filled_path(self, places: Mapping[str, Any]) -> str:
        """The path; raises Refused for a value that would lead to another one."""

        def filled(place: re.Match[str]) -> str:
            value = _plain(places, place[1])
            if value in _DOTS:
                raise Refused(f"found {value!r} for {place[0]} in a path, allowed is no name of dots alone")
            return quote(value, safe="")

        return _PLACE.sub(filled, self.path)

    def filled_headers(self, places: Mapping[str, Any]) -> dict[str, str]:
        """The headers without those that came out empty; raises Refused for what no header can hold."""
        made = {name: _PLACE.sub(lambda found: _plain(places, found[1]), value) for name, value in self.headers.items()}
        for name, value in made.items():
            if not value.isprintable() or not value.isascii():
                raise Refused(f"{name}: found {value[:60]!r}, allowed is one line of ASCII text")
        return {name: value for name, value in made.items() if value}

    def filled_body(self, places: Mapping[str, Any]) -> bytes | None:
        """The JSON; None where nothing is sent."""
        return None if self.body is None else json.dumps(_filled(self.body, places), ensure_ascii=False).encode()


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for name, each in value.items():
                yield str(name)
                yield from _texts(each)


def _filled(value: Any, places: Mapping[str, Any]) -> Any:
    match value:
        case str() if whole := _PLACE.fullmatch(value):
            return _known(places, whole[1])
        case str():
            return _PLACE.sub(lambda found: _plain(places, found[1]), value)
        case list():
            return [_filled(each, places) for each in value]
        case dict():
            return {_PLACE.sub(lambda found: _plain(places, found[1]), k): _filled(v, places) for k, v in value.items()}
        case _:
            return value


def _known(places: Mapping[str, Any], name: str) -> Any:
    if name not in places:
        raise Refused(f"nothing is known for {{{name}}} here")
    return places[name]


def _plain(places: Mapping[str, Any], name: str) -> str:
    value = _known(places, name)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
