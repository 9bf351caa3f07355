"""Addresses as people may see them: without the user and the password that can stand before the host."""

import re
from urllib.parse import unquote

# Greedy up to the last @ before the path: a password that was not quoted may hold another one. After a colon that
# no port follows it may hold a slash, too.
_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^\s/?#:@\[]*:(?!\d*(?:[/?#\s]|$))\S*@|[^\s/?#]*@)")


def without_userinfo(text: str) -> str:
    """The text with every address in it shown without user and password."""
    return _USERINFO.sub(r"\1", text)


def shown_address(address: str) -> str:
    """The address without what may be secret in it: user, password, query and fragment."""
    return re.split(r"[?#]", without_userinfo(address), maxsplit=1)[0]


def split_userinfo(address: str) -> tuple[str, str, str]:
    """The address without userinfo, the user and the password, unquoted; both empty where none stands there."""
    bare = without_userinfo(address)
    if bare == address:
        return address, "", ""
    start = address.index("://") + 3
    userinfo = address[start : len(address) - (len(bare) - start)].removesuffix("@")
    user, _, password = userinfo.partition(":")
    return bare, unquote(user), unquote(password)
