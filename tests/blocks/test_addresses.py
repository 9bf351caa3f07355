"""Addresses as people may see them."""

import pytest

from blocks.calls.addresses import shown_address, split_userinfo, without_userinfo


@pytest.mark.parametrize(
    ("address", "bare", "user", "password"),
    [
        ("https://team:secret@host:9090/x?q=1", "https://host:9090/x?q=1", "team", "secret"),
        ("https://team:p%40ss@host", "https://host", "team", "p@ss"),
        ("https://team:p@ss@host", "https://host", "team", "p@ss"),
        ("https://team:pa/ss@host/x", "https://host/x", "team", "pa/ss"),
        ("https://token@host", "https://host", "token", ""),
        ("https://host:9090/who@where", "https://host:9090/who@where", "", ""),
        ("http://[::1]:9090/x", "http://[::1]:9090/x", "", ""),
        ("http://host", "http://host", "", ""),
    ],
)
def test_user_and_password_are_taken_out(address: str, bare: str, user: str, password: str) -> None:
    assert split_userinfo(address) == (bare, user, password)
    assert without_userinfo(f"see {address} or mail a@b.example") == f"see {bare} or mail a@b.example"


def test_what_is_shown_has_no_query() -> None:
    assert shown_address("https://team:secret@host/x?key=secret#part") == "https://host/x"
