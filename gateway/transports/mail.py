"""Mails on their way to a mail server, and reminders by mail to a partner's people. To the deliver stage these are destinations like any other.

A reminder tells which acknowledgment is overdue; no document ever goes by mail.
"""

import asyncio
import json
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from gateway.clock import Instant, as_datetime
from gateway.errors import DestinationFault, TemporaryFailure, UnknownOutcome
from gateway.records.deliveries import ToDeliver
from gateway.settings import MailServer
from gateway.targets.base import Confirmation
from partners.book import Book


def send_mail(server: MailServer, to: list[str], body: bytes) -> Confirmation:
    """Hands an RFC 5322 mail to the server. Raises TemporaryFailure, UnknownOutcome and DestinationFault; a mail is never wrong by itself."""
    where = f"{server.host}:{server.port}"
    try:
        refused = _handed_over(server, to, body)
    except smtplib.SMTPRecipientsRefused as error:
        raise _sorted(where, *next(iter(error.recipients.values()))) from None
    except smtplib.SMTPResponseException as error:
        raise _sorted(where, error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError as error:
        raise DestinationFault(f"{where}: {error}") from None
    except smtplib.SMTPServerDisconnected as error:
        raise UnknownOutcome(f"{where}: {error}") from None
    except ssl.SSLError as error:
        raise DestinationFault(f"{where}: {error.reason or error}") from None
    except OSError as error:
        raise TemporaryFailure(f"{where} cannot be reached: {error.strerror or error}") from None
    words = f"taken by {where}" + (f", but not for {', '.join(sorted(refused))}" if refused else "")
    return Confirmation(250, words.encode())


def _handed_over(server: MailServer, to: list[str], body: bytes) -> dict[str, Any]:
    """Whom the server would not take it for."""
    seconds, context = server.timeout.total_seconds(), ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=context)
        if server.security == "tls"
        else smtplib.SMTP(server.host, server.port, timeout=seconds)
    ) as line:
        if server.security == "starttls":
            line.starttls(context=context)
        if server.user is not None:
            line.login(server.user, server.password or "")
        return dict(line.sendmail(server.sender, to, body))


def _sorted(where: str, code: int, words: bytes | str) -> TemporaryFailure | DestinationFault:
    """4xx: later (RFC 5321, 4.2.1). 5xx: what must be mended is ours or the server's, and every mail would meet it; so none of them dies."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    kind = TemporaryFailure if 400 <= code < 500 else DestinationFault
    return kind(f"{where} answered {code}: {text[:500]}", status=code)


class ReminderByMail:
    """Tells a partner's people of an acknowledgment that they owe us."""

    marks_sending = False
    concurrency = 1

    def __init__(self, partner: str, server: MailServer | None, *, book: Callable[[], Book]) -> None:
        self.name = f"mail:{partner}"
        self._partner, self._server, self._book = partner, server, book

    async def deliver(self, delivery: ToDeliver, data: bytes) -> Confirmation:
        revision = self._book().by_name(self._partner)
        if revision is None or revision.profile.channels.mail is None:
            raise DestinationFault(f"{self._partner} has no channels.mail in its profile any more")
        if self._server is None:
            raise DestinationFault("the settings have no partner_mail: no mail server takes our reminders")
        to = revision.profile.channels.mail.to
        body = reminder(
            json.loads(data)["data"], us=revision.profile.us.isa.id, sender=self._server.sender, to=to, identity=delivery.id, at=delivery.created_at
        )
        return await asyncio.to_thread(send_mail, self._server, to, body)

    async def close(self) -> None:
        return None


def reminder(told: dict[str, Any], *, us: str, sender: str, to: list[str], identity: str, at: Instant) -> bytes:
    """RFC 5322. The Message-ID is that of the delivery: a mail that comes twice is seen to be one."""
    what = f"{told['kind']} for our {told['set'] or 'interchange'} with control number {told['interchange_control']}"
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = f"Reminder: {what} is overdue"
    message["Date"] = as_datetime(at)
    message["Message-ID"] = f"<{identity.replace(':', '.')}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"We sent it on {_short(told['sent_at'])}. Your {told['kind']} was due by {_short(told['due_at'])}, and we do not have it.\n\n"
        f"Please look whether your system has received interchange {told['interchange_control']} from {us.strip()}, and send your {told['kind']};\n"
        "or tell us that you do not have the interchange, and we send it again.\n\n"
        f"Our message: {told['message']}\n"
    )
    return message.as_bytes()


def _short(text: str) -> str:
    return text[:16].replace("T", " ") + " UTC"
