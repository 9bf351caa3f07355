"""Mail: one message per notice, by SMTP."""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from html import escape
from typing import ClassVar, TypeVar

from pydantic import Field, SecretStr

from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, GivenUp, bounded
from blocks.calls.redaction import hide
from blocks.connection import Connection
from blocks.errors import AmbiguousResult, RecipientsRefused, Refused, Unreachable
from tidegate.notices.notice import Notice
from tidegate.notices.report_forms import html_text, plain_text

T = TypeVar("T")
_ANSWERS = 4  # time-outs that a whole conversation may take
_OK = 250
_TAKEN = (250, 251, 252)
# RFC 3463: the recipient's address or mailbox is at fault, and not the sender or a policy.
_MAILBOX_ITSELF = re.compile(r"5\.(1\.[1-36]|1\.10|2\.\d)\b")


class Mail(Connection):
    """A mail server that rollouts send their reports through."""

    _block_type_name: ClassVar[str | None] = "Tidegate Mail"
    _block_type_slug: ClassVar[str | None] = "tidegate-mail"
    _description: ClassVar[str | None] = "The mail server that rollouts send their reports through."

    host: str = Field(description="The SMTP server's name or address.", min_length=1)
    port: int = Field(default=587, gt=0, lt=65536, description="The SMTP server's port.")
    starttls: bool = Field(default=True, description="Encrypt the connection with STARTTLS before anything is said.")
    username: str = Field(default="", description="The account to log in with; empty for none.")
    password: SecretStr = Field(default=SecretStr(""), description="The account's password.")
    sender: str = Field(description="The address that messages come from.", min_length=3)
    timeout_seconds: float = Field(default=10, gt=0, description="How long to wait for each answer.")

    def send(self, to: tuple[str, ...], notice: Notice) -> str:
        """Send the notice and return its Message-ID; raises Unreachable, RecipientsRefused, Refused or AmbiguousResult.

        Whoever is not named by RecipientsRefused as refused has the message.
        """
        message = self._message(to, notice)
        try:
            return self._in_time(lambda: self._send(message, to))
        except GivenUp as late:
            raise AmbiguousResult(f"mail to {', '.join(to)}: the answer was lost ({late})") from None

    def _in_time(self, call: Callable[[], T]) -> T:
        """A log-in, a message and a good-bye are some answers; raises Unreachable where all of them take too long."""
        seconds = _ANSWERS * self.timeout_seconds + SPARE_SECONDS
        return bounded(call, seconds, f"mail server {self.host}:{self.port}", most_given_up=MOST_GIVEN_UP)

    def _send(self, message: EmailMessage, to: tuple[str, ...]) -> str:
        with self._session() as server:
            try:
                refused = server.send_message(message, self.sender, list(to))
            except smtplib.SMTPRecipientsRefused as error:
                raise RecipientsRefused((), self._said_of(error.recipients)) from None
            except (TimeoutError, smtplib.SMTPServerDisconnected):
                raise AmbiguousResult(f"mail to {', '.join(to)}: the answer was lost") from None
        if refused:
            raise RecipientsRefused(tuple(a for a in to if a not in refused), self._said_of(refused))
        return str(message["Message-ID"])

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused.

        The sender is tried, without sending: many servers refuse it only once they know a recipient.
        """
        where = f"mail server {self.host}:{self.port}"
        refused = self.refused_of((self.sender,))
        if said := refused.get(self.sender):
            if _MAILBOX_ITSELF.match(said.partition(" ")[2]):
                # Such as a no-reply address: mail goes out in its name, and none comes in.
                return f"{where} takes mail from {self.sender}, which has no mailbox"
            kind = Unreachable if said.startswith("4") else Refused
            raise kind(f"{where} does not take mail from {self.sender}: {said}")
        return f"{where} takes mail from {self.sender}" + (" and took the log-in" if self.username else "")

    def refused_of(self, to: tuple[str, ...]) -> dict[str, str]:
        """Which recipients the server would refuse, and in which words; nothing is sent.

        Raises Unreachable or Refused.
        """
        return self._in_time(lambda: self._refused_of(to))

    def _refused_of(self, to: tuple[str, ...]) -> dict[str, str]:
        refused: dict[str, str] = {}
        with self._session() as server:
            server.ehlo_or_helo_if_needed()
            code, said = server.mail(self.sender)
            if code != _OK:
                raise smtplib.SMTPSenderRefused(code, said, self.sender)
            for address in to:
                code, said = server.rcpt(address)
                if code not in _TAKEN:
                    refused |= self._said_of({address: (code, said)})
            server.rset()
        return refused

    def _said_of(self, answers: Mapping[str, tuple[int, bytes]]) -> dict[str, str]:
        return {address: f"{code} {self._hidden(said)}".strip() for address, (code, said) in answers.items()}

    def _hidden(self, said: bytes | str) -> str:
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        password = self.password.get_secret_value()
        # How a log-in by AUTH PLAIN is sent.
        return hide(_one_line(text), self, *([f"\0{self.username}\0{password}"] if password else []))

    def _message(self, to: tuple[str, ...], notice: Notice) -> EmailMessage:
        if not to:
            raise Refused("mail: found no recipient, allowed is at least one")
        message = EmailMessage()
        try:
            message["From"] = Address(addr_spec=self.sender)
            message["To"] = [Address(addr_spec=address) for address in to]
        except (ValueError, IndexError, MessageError) as error:
            found = ", ".join(map(repr, (self.sender, *to)))
            raise Refused(f"mail: found {found}, allowed are plain addresses") from error
        message["Date"] = localtime()
        # The same for every attempt, so that a mail server can see a repeat.
        digest = hashlib.sha256(f"{notice.rollout}/{notice.event}".encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@tidegate.invalid>"
        message["Subject"] = _one_line(notice.title)
        message["X-Tidegate-Rollout"] = _one_line(notice.rollout)
        message["X-Tidegate-Event"] = _one_line(notice.event)
        message.set_content(plain_text(notice))
        if notice.link or notice.report:
            message.add_alternative(_as_html(notice), subtype="html")
        return message

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        where = f"mail server {self.host}:{self.port}"
        try:
            # Our own name is not looked up: that can take longer than the time-out.
            with smtplib.SMTP(
                self.host, self.port, local_hostname="[127.0.0.1]", timeout=self.timeout_seconds
            ) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.username:
                    server.login(self.username, self.password.get_secret_value())
                yield server
        # What the server said may repeat the log-in, so that its own error is never the cause of ours.
        except smtplib.SMTPResponseException as error:
            kind = Unreachable if 400 <= error.smtp_code < 500 else Refused
            about = f" does not take mail from {self.sender}" if isinstance(error, smtplib.SMTPSenderRefused) else ""
            raise kind(f"{where}{about}: {error.smtp_code} {self._hidden(error.smtp_error)}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"{where}: {self._hidden(str(error))}") from None
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"{where}: its certificate is not trusted ({error.verify_message})") from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise Unreachable(f"{where}: {type(error).__name__}") from None


def _as_html(notice: Notice) -> str:
    """The same text, its address as a button and a report's tables as tables, for those who read mail as pages."""
    style = "display:inline-block;padding:10px 18px;border:2px solid #0757b5;border-radius:6px;color:#0757b5"
    button = f'<p><a href="{escape(notice.link)}" style="{style}">{notice.link_label}</a></p>' if notice.link else ""
    return (
        f'<!doctype html><html lang="en"><body style="font:15px/1.5 system-ui,sans-serif">'
        f'<h1 style="font-size:18px">{escape(_one_line(notice.title))}</h1>'
        f"{html_text(notice)}{button}</body></html>"
    )


def _one_line(text: str) -> str:
    # A line break in a header would begin another header.
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
