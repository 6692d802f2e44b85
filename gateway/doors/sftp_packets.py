"""SFTP's packets, within bounds, with the extensions that clients use, and with our words where a request is refused.

Knows nothing of paths and files; those are sftp_session.py's.
"""

import contextlib
from typing import Any

import paramiko
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_EXTENDED_REPLY,
    CMD_INIT,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_VERSION,
    SFTP_BAD_MESSAGE,
    SFTP_OK,
    SFTP_OP_UNSUPPORTED,
    SFTPError,
)

from gateway.failpoints import reach
from gateway.sftp.paths import FAILURE, Refusal

MOST_PACKET = 256 * 1024
MOST_DATA = MOST_PACKET - 1024
"""Bytes of one READ or WRITE."""


class Server(paramiko.SFTPServer):
    """paramiko's packets, within bounds, with the extensions that clients use, and with our words where we refuse."""

    def _send_server_version(self) -> int:
        kind, data = self._read_packet()
        if kind != CMD_INIT:
            raise SFTPError("no INIT")
        message = paramiko.Message()
        message.add_int(3)
        for name, version in (("posix-rename@openssh.com", "1"), ("fsync@openssh.com", "1"), ("limits@openssh.com", "1")):
            message.add_string(name)
            message.add_string(version)
        self._send_packet(CMD_VERSION, message)
        return int.from_bytes(data[:4])

    def _read_packet(self) -> tuple[int, bytes]:
        size = int.from_bytes(self._read_all(4))
        if not 0 < size <= MOST_PACKET:
            raise SFTPError(f"a packet of {size} bytes")
        data = self._read_all(size)
        return data[0], data[1:]

    def _process(self, kind: int, number: int, message: Any) -> None:
        try:
            if kind in (CMD_OPEN, CMD_OPENDIR) and len(self.file_table) + len(self.folder_table) >= self.server.most_handles():
                raise Refusal(FAILURE, "too many files and folders are open; close some")
            if kind == CMD_CLOSE:
                self._close(number, message.get_binary())
            elif kind == CMD_EXTENDED:
                self._extended(number, message)
            else:
                super()._process(kind, number, message)
        except Refusal as refusal:
            self._send_status(number, refusal.code, refusal.words)
        except UnicodeDecodeError:
            self._send_status(number, FAILURE, "names must be UTF-8")

    def _close(self, number: int, name: bytes) -> None:
        if self.folder_table.pop(name, None) is not None:
            self._send_status(number, SFTP_OK)
            return
        handle = self.file_table.pop(name, None)
        if handle is None:
            self._send_status(number, SFTP_BAD_MESSAGE, "there is no such handle")
            return
        handle.close()
        self._send_status(number, SFTP_OK)
        reach("receive.answered")

    def _extended(self, number: int, message: Any) -> None:
        name = message.get_text()
        if name == "posix-rename@openssh.com":
            self._send_status(number, self.server.posix_rename(message.get_text(), message.get_text()))
        elif name == "fsync@openssh.com":
            handle = self.file_table.get(message.get_binary())
            if handle is None:
                raise Refusal(SFTP_BAD_MESSAGE, "there is no such handle")
            handle.sync()
            self._send_status(number, SFTP_OK)
        elif name == "limits@openssh.com":
            answer = paramiko.Message()
            answer.add_int(number)
            for value in (MOST_PACKET, MOST_DATA, MOST_DATA, self.server.most_handles()):
                answer.add_int64(value)
            self._send_packet(CMD_EXTENDED_REPLY, answer)
        else:
            self._send_status(number, SFTP_OP_UNSUPPORTED)

    def finish_subsystem(self) -> None:
        try:
            with contextlib.suppress(Exception):
                # scp takes a session without a status for a failed one.
                self.sock.send_exit_status(0)
            super().finish_subsystem()
        finally:
            self.server.over()
