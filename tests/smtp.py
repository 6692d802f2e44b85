"""A mail server for the tests: takes mails over a real socket, and refuses them as it is told."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage


class MailServer:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = ""
        """A whole answer to RCPT, such as "550 no such user"; empty takes all."""
        self.port = 0

    async def __aenter__(self) -> "MailServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await say("220 mail of the tests")
        while line := await reader.readline():
            word = line.decode().strip().upper()
            if word.startswith(("EHLO", "HELO", "MAIL", "RSET", "NOOP")):
                await say("250 fine")
            elif word.startswith("RCPT"):
                await say(self.refuse or "250 fine")
            elif word == "DATA":
                await say("354 go on")
                data = b""
                while (piece := await reader.readline()) != b".\r\n":
                    data += piece[1:] if piece.startswith(b"..") else piece
                mail = message_from_bytes(data, policy=policy.default)
                assert isinstance(mail, EmailMessage)
                self.mails.append(mail)
                await say("250 taken")
            elif word == "QUIT":
                await say("221 bye")
                break
            else:
                await say("502 not here")
        writer.close()
