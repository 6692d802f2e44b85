"""What goes by AS2 and SFTP, as a person reads it in a terminal: messages, files, polled folders, servers, self-tests.

Knows neither protocol.
"""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from gateway.commands.screen import console, state_of, table_of, time_text


def _as2_messages(value: list[dict[str, Any]]) -> None:
    if not value:
        console.print("No AS2 messages yet. Partners POST theirs to /as2 on the partner listener.")
        return
    table = table_of("AS2 message", "at", "partner", "way", "state", "Message-ID", "receipt", "what of it")
    for one in value:
        table.add_row(
            one["id"], time_text(one["at"]), one["partner"], one["direction"], state_of(one["state"]), one["message_id"],
            (one["disposition"] or one["receipt"]).rpartition("; ")[2], one["reason"] or "",
        )  # fmt: skip
    console.print(table)


def _as2_message(one: dict[str, Any]) -> None:
    console.print(Text.assemble((one["message"], "bold"), f" to {one['partner']}: ", state_of(one["state"])))
    console.print(f"  Message-ID {one['message_id']}, MIC {one['mic']} ({one['mic_algorithm']})", markup=False)
    if one["reason"]:
        console.print(f"  {one['reason']}", markup=False)


def _as2_queued(value: dict[str, Any]) -> None:
    console.print(f"queued as message {value['message']}")


def _selftest(value: list[dict[str, Any]]) -> None:
    for one in value:
        mark = ("✓ ", "green") if one["good"] else ("✗ ", "red")
        console.print(Text.assemble(mark, (f"{one['check']}: ", "bold"), one["text"]))


def _files(value: Any) -> None:
    table = table_of("at", "partner", "file", "size", "state", "message")
    for one in value:
        message = f"{one['message'] or ''}{' (again)' if one['duplicate'] else ''}" or one["reason"] or ""
        table.add_row(one["at"], one["partner"], f"{one['folder']}/{one['name']}", f"{one['size']:,}", state_of(one["state"]), message)
    console.print(table if value else "no files yet")


def _scanned(value: Any) -> None:
    console.print(f"{value['server']}\n{value['fingerprint']}\n{value['hostkey']}", soft_wrap=True)


def _polls(value: Any) -> None:
    table = table_of("partner", "folder", "last", "next", "what came of it")
    for one in value:
        table.add_row(one["partner"], one["poll"], one["at"] or "", one["next"] or "now", one["told"] or "")
    console.print(table if value else "no folder has been polled yet")


def _polled(value: Any) -> None:
    console.print(f"the folders of {value['partner']} are due now")


SHOWERS: dict[str, Callable[[Any], None]] = {
    "as2.messages": _as2_messages,
    "as2.send": _as2_queued,
    "as2.sent": _as2_message,
    "sftp.files": _files,
    "sftp.scan": _scanned,
    "sftp.selftest": _selftest,
    "sftp.polls": _polls,
    "sftp.poll": _polled,
    "as2.selftest": _selftest,
}
