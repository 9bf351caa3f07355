"""Mail: one message per notice, by SMTP."""

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from typing import ClassVar

from pydantic import Field, SecretStr

from blocks.connection import Connection
from blocks.errors import AmbiguousResult, Refused, Unreachable
from tidegate.notices import Notice


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
        """Send the notice and return its Message-ID; raises Unreachable, Refused or AmbiguousResult."""
        message = self._message(to, notice)
        with self._session() as server:
            try:
                refused = server.send_message(message, self.sender, list(to))
            except (TimeoutError, smtplib.SMTPServerDisconnected) as error:
                raise AmbiguousResult(f"mail to {', '.join(to)}: the answer was lost") from error
        if refused:
            raise Refused(f"mail: {', '.join(sorted(refused))} refused; the other recipients have it")
        return str(message["Message-ID"])

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        with self._session() as server:
            code, _ = server.noop()
        if code != 250:
            raise Refused(f"mail server {self.host}:{self.port} answered {code}")
        return f"mail server {self.host}:{self.port} is ready" + (" and took the log-in" if self.username else "")

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
        message.set_content(notice.body)
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
        except smtplib.SMTPRecipientsRefused as error:
            raise Refused(f"{where}: {', '.join(sorted(error.recipients))} refused") from error
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            kind = Unreachable if 400 <= error.smtp_code < 500 else Refused
            raise kind(f"{where}: {error.smtp_code} {_one_line(text)}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"{where}: {error}") from error
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"{where}: its certificate is not trusted ({error.verify_message})") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(f"{where}: {type(error).__name__}") from error


def _one_line(text: str) -> str:
    # A line break in a header would begin another header.
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
