"""A server on loopback that behaves as badly as a network can: it hangs, trickles, never ends, or stops half-way."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from enum import StrEnum

BEAT_SECONDS = 0.1


class Manner(StrEnum):
    """What it does with everybody who connects."""

    SILENT = "takes the connection and says nothing"
    HEADER_TRICKLES = "sends its header byte by byte, for ever"
    BODY_TRICKLES = "sends its body byte by byte, for ever"
    ENDLESS = "sends a body without end, as fast as it can"
    HALF = "closes in the middle of its body"


class HostileServer:
    """Speaks a bad HTTP (or another protocol, by its greeting) to everybody, until `close`."""

    def __init__(self, manner: Manner, greeting: bytes = b"HTTP/1.1 200 OK\r\n") -> None:
        self.manner, self.greeting = manner, greeting
        self.gone = threading.Semaphore(0)  # released by every connection that the other side has ended
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let everybody go."""
        self._stopped.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopped.is_set():
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(BEAT_SECONDS)
            with contextlib.suppress(OSError):
                self._answer(connection)
        self.gone.release()

    def _answer(self, connection: socket.socket) -> None:
        header = self.greeting + b"Content-Type: application/json\r\n"
        match self.manner:
            case Manner.SILENT:
                self._drip(connection, b"")
            case Manner.HEADER_TRICKLES:
                self._drip(connection, self.greeting + b"X-Slow: " + b"a" * 10_000)
            case Manner.BODY_TRICKLES:
                connection.sendall(header + b"Content-Length: 100000\r\n\r\n")
                self._drip(connection, b" " * 10_000)
            case Manner.ENDLESS:
                connection.settimeout(5)
                connection.sendall(header + b"\r\n")
                while not self._stopped.is_set():
                    connection.sendall(b" " * 65_536)
            case Manner.HALF:
                with contextlib.suppress(TimeoutError):
                    connection.recv(65_536)
                connection.sendall(header + b'Content-Length: 500\r\n\r\n{"status": "succ')

    def _drip(self, connection: socket.socket, text: bytes) -> None:
        """Byte by byte, for as long as the other side is there."""
        sent = 0
        while not self._stopped.wait(BEAT_SECONDS):
            connection.sendall(text[sent : sent + 1])
            sent += 1
            with contextlib.suppress(TimeoutError):
                connection.settimeout(0.001)
                while connection.recv(65_536):
                    pass
                return  # it has hung up


@contextlib.contextmanager
def hostile(manner: Manner, greeting: bytes = b"HTTP/1.1 200 OK\r\n") -> Iterator[HostileServer]:
    """A hostile server that ends with the test."""
    server = HostileServer(manner, greeting)
    try:
        yield server
    finally:
        server.close()
