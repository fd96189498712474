"""Just enough of a Redis client to look at what is in one."""

import socket
import urllib.parse


class RedisClient:
    """Of redis://HOST:PORT/…, on one connection."""

    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port), 10)
        self.file = self.socket.makefile("rwb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, *words):
        """One command; a string as bytes, an array as a list, anything else as its line."""
        return self.ask_all([words])[0]

    def ask_all(self, commands):
        """Several in one turn."""
        commands = list(commands)
        for words in commands:
            words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            self.file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        self.file.flush()
        return [self._reply() for _ in commands]

    def _reply(self):
        line = self.file.readline().rstrip()
        if not line:
            raise ConnectionError("Redis has closed the connection")
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest

    def entries(self):
        """(name, value) of all keys, as text."""
        cursor = b"0"
        while True:
            cursor, names = self.ask("SCAN", cursor, "COUNT", 500)
            for name in names:
                value = self.ask("HGETALL", name) if self.ask("TYPE", name) == b"hash" else [self.ask("GET", name) or b""]
                yield name.decode("utf-8", "replace"), b" ".join(value).decode("utf-8", "replace")
            if cursor == b"0":
                return
