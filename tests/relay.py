"""A line between two ports that breaks after so many bytes, as often as it is told to."""

import contextlib
import socket
import threading

FORTH, BACK = 0, 1


class Relay:
    """`cut(after, way)`: the next connection ends when so many bytes have gone that way. Those after it are whole."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._cut: tuple[int, int] | None = None
        self.passed = [0, 0]
        """Bytes of the latest connection, forth and back."""
        self.cuts = 0
        """Connections that were cut."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, after: int, way: int = FORTH) -> None:
        self._cut = (after, way)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            cut, self._cut, self.passed = self._cut, None, [0, 0]
            try:
                other = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                line.close()
                continue
            for way, (one, two) in enumerate(((line, other), (other, line))):
                threading.Thread(target=self._carry, args=(one, two, way, cut, self.passed), daemon=True).start()

    def _carry(self, one: socket.socket, two: socket.socket, way: int, cut: tuple[int, int] | None, passed: list[int]) -> None:
        left = cut[0] if cut is not None and cut[1] == way else None
        with contextlib.suppress(OSError):
            while data := one.recv(16_384 if left is None else max(1, min(16_384, left))):
                two.sendall(data)
                passed[way] += len(data)
                if left is not None and (left := left - len(data)) <= 0:
                    self.cuts += 1
                    break
        for line in (one, two):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
