"""The inbox's mail server: takes every message and keeps it."""

import asyncio
from email import message_from_bytes
from email.policy import default

from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.inbox.store import Store


class MailHandler:
    """Keeps each message that was handed over completely."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep one message and confirm it."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = message_from_bytes(raw, policy=default)
        body = message.get_body(("plain", "html"))
        self._store.add(
            "mail",
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            subject=str(message.get("subject", "")),
            text=body.get_content() if body is not None else "",
            headers={name: str(value) for name, value in message.items()},
        )
        return "250 Message accepted for delivery"


async def start_mail_server(store: Store, port: int) -> asyncio.Server:
    """Return a mail server that listens on loopback, run by the current event loop."""
    loop = asyncio.get_running_loop()
    handler = MailHandler(store)
    return await loop.create_server(lambda: SMTP(handler, hostname="localhost", loop=loop), "127.0.0.1", port)
