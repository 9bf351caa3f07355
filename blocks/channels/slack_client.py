"""Slack's own client, kept from carrying the token to where a redirection leads."""

import urllib.request
from http.client import HTTPMessage
from typing import IO, Any

from slack_sdk import WebClient


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> None:
        """Nothing: the redirection is then an answer like any other, and an error."""


class NoRedirects(WebClient):
    """The client, which would follow a redirection with all its headers."""

    def _perform_urllib_http_request_internal(self, _: str, req: urllib.request.Request) -> dict[str, Any]:
        handlers: list[Any] = [_Stay(), urllib.request.HTTPSHandler(context=self.ssl)]
        if self.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": self.proxy, "https": self.proxy}))
        # Addresses of other kinds are refused when the connection is made.
        answer = urllib.request.build_opener(*handlers).open(req, timeout=self.timeout)
        charset = answer.headers.get_content_charset() or "utf-8"
        return {"status": answer.code, "headers": answer.headers, "body": answer.read().decode(charset)}
