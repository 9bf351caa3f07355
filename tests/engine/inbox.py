"""The demo's inbox in this process, with faults: it refuses, loses its answers, or is not there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from blocks.channels.mail import Mail
from blocks.channels.pagerduty import PagerDuty
from blocks.channels.slack import Slack
from blocks.channels.status_page import StatusPage
from blocks.channels.teams import Teams
from blocks.channels.webhook import Webhook
from demo.inbox.app import create_app
from demo.inbox.store import Message, Store
from demo.inbox.webhook import SECRET as WEBHOOK_SECRET
from demo.processes import free_port


class Inbox:
    """Slack, PagerDuty and mail at one address; `fault` maps a part to errors, lost or dead."""

    def __init__(self, url: str, smtp_port: int, store: Store) -> None:
        self.url, self.store = url, store
        self.fault: dict[str, str] = {}
        self.asked: list[str] = []
        key = SecretStr("demo")
        self.slack = Slack(token=key, base_url=f"{url}/slack/api/", timeout_seconds=1)
        self.pagerduty = PagerDuty(routing_key=key, url=f"{url}/pagerduty", timeout_seconds=1)
        self.status_page = StatusPage(page="demo", api_key=key, url=f"{url}/status", timeout_seconds=1)
        self.teams = Teams(url=SecretStr(f"{url}/teams"), timeout_seconds=1)
        signed = SecretStr(WEBHOOK_SECRET)
        self.webhook = Webhook(url=SecretStr(f"{url}/webhook"), signing_secret=signed, timeout_seconds=1)
        self.mail = Mail(host="127.0.0.1", port=smtp_port, starttls=False, sender="tidegate@example.com")

    def slack_in(self, channel: str) -> list[Message]:
        """What stands in a channel, threads included."""
        return [message for message in self.store.all("slack") if message["channel"] == channel.removeprefix("#")]

    def events(self, channel: str) -> list[str]:
        """The event ids of the messages in a channel, in their order."""
        return [str(message["metadata"]["event_payload"]["event"]) for message in self.slack_in(channel)]

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """The application with the faults that are in force."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            path = str(scope["path"])
            self.asked.append(path)
            fault = self.fault.get(path.split("/")[1])
            if fault == "errors":
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b"{}"})
            elif fault == "lost":

                async def nowhere(_: object) -> None:
                    pass

                await app(scope, receive, nowhere)
                # A body that stays shorter than promised: the client sees the connection break off.
                headers = [(b"content-length", b"100"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b"", "more_body": True})
            else:
                await app(scope, receive, send)

        return faulty


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    """A real inbox on loopback."""
    store, port, smtp = Store(None), free_port(), free_port()
    inbox = Inbox(f"http://127.0.0.1:{port}", smtp, store)
    app = inbox.middleware(create_app(store, smtp))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    beat = threading.Event()
    while not server.started:
        assert thread.is_alive(), "the inbox did not start"
        beat.wait(0.02)
    try:
        yield inbox
    finally:
        server.should_exit = True
        thread.join(10)
