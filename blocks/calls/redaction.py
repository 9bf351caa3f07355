"""Keeping a connection's secrets out of what the other side says: servers and proxies repeat what they were sent."""

import base64
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from blocks.calls.addresses import split_userinfo, without_userinfo

HIDDEN = "***"


def secrets_in(value: object) -> Iterator[str]:
    """Every secret that stands in a connection's fields, however deep."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from secrets_in(each)


def hide(text: str, connection: BaseModel | None, *more: str) -> str:
    """What the other side said, without this connection's secrets, in clear text or encoded."""
    known = {part for secret in (*secrets_in(connection), *more) for part in (secret, *_log_in_of(secret)) if part}
    forms = {form for secret in known for form in (secret, quote(secret, safe=""), _base64(secret))}
    # The longest first: a secret may be part of another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return without_userinfo(text)


def _log_in_of(secret: str) -> tuple[str, ...]:
    """The password, alone and with its user, of a secret that is an address."""
    _, user, password = split_userinfo(secret)
    return (password or user, f"{user}:{password}") if user or password else ()


def basic(username: str, password: str) -> str:
    """The value of a header that logs in by name and password."""
    return f"Basic {_base64(f'{username}:{password}')}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
