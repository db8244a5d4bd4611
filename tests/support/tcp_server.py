"""TCP servers in threads, for tests of what a command does with a server that misbehaves."""

import socket
import threading
import time


class Server:
    """A TCP server on a port of its own; `serve(connection)` handles each connection in a thread."""

    def __init__(self, test, serve, family=socket.AF_INET):
        self._serve = serve
        self._stopped = threading.Event()
        self._socket = socket.socket(family)
        self._socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self._stop)

    def _accept(self):
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with connection:
            try:
                self._serve(connection)
            except OSError:
                pass  # the command has gone; what it says about it is what the test compares

    def _stop(self):
        self._stopped.set()
        self._socket.close()


def hold(connection):
    """Keeps the connection open until the other side closes it."""
    while connection.recv(4096):
        pass


def answering(*answers):
    """One answer to each line that arrives; the connection stays open."""
    def serve(connection):
        lines = connection.makefile("rb")
        for answer, _ in zip(answers, lines):
            connection.sendall(answer)
        hold(connection)
    return serve


def dripping(data, pause):
    def serve(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)  # this server's slowness is what is tested
        hold(connection)
    return serve
