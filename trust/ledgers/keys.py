"""What Redis says: it tells a listener each command that it runs, those of scripts too."""

from __future__ import annotations

import ast
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from trust.history import Change, Life
from trust.ledgers.reading import Reading, state_of
from trust.stores import make

__all__ = ["RedisLedger"]

_PATIENCE_SECONDS = 60.0
# +1339518083.107412 [0 lua] "HSET" ...
_LINE = re.compile(rb'\+(\d+\.\d+) \[\d+ lua\] "([A-Z]+)" "(.*)')
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NONE = {"fence": 0, "owner": None, "failures": 0, "interruptions": 0}
_PLAIN = tuple(_NONE)
_WATCHED = "status", *_PLAIN, "due_at"


class RedisLedger(Reading):
    """The ledger of a server; it listens from `prepare` to `close`."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._prefix = f"{{{place.partition('#')[2]}}}:"
        self._end = f"{self._prefix}heard"
        self._kept: list[bytes] = []
        self._heard = threading.Condition()
        self._ends = 0
        self._socket: socket.socket | None = None

    async def prepare(self) -> None:
        await make(self.place)
        self._socket = self._connected()
        self._socket.sendall(b"MONITOR\r\n")
        threading.Thread(target=self._listen, args=(self._socket,), daemon=True).start()

    async def close(self) -> None:
        await super().close()
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    async def changes(self) -> list[Change]:
        known: dict[str, dict[str, Any]] = {}
        found: list[Change] = []
        for at, command, words in self._lines("task:"):
            task = words[0].removeprefix(f"{self._prefix}task:")
            old = known.get(task, {})
            if command == "UNLINK":
                new = dict[str, Any]()
            elif words[3:4] == ["s"]:
                # What is empty is left out.
                new = _NONE | json.loads(words[4])
            else:
                continue
            known[task] = new
            if any(old.get(name) != new.get(name) for name in _WATCHED):
                found.append(_change(len(found), at, task, old, new))
        return found

    async def lives(self) -> list[Life]:
        found: dict[str, Life] = {}
        for at, _, words in self._lines("instances"):
            instance = words[1]
            if len(words) == 3 and instance not in found:
                info = json.loads(json.loads(words[2])["info"])
                found[instance] = Life(instance, info["pid"], at)
        return list(found.values())

    def _connected(self) -> socket.socket:
        url = urlsplit(self.place)
        return socket.create_connection((url.hostname or "127.0.0.1", url.port or 6379))

    def _listen(self, monitor: socket.socket) -> None:
        tasks, instances = (f'"{self._prefix}{name}'.encode() for name in ("task:", "instances"))
        end = f'"{self._end}"'.encode()
        with monitor.makefile("rb") as lines:
            for line in lines:
                head = line[:200]
                if b" lua] " in head and (tasks in head or instances in head):
                    self._kept.append(line)
                elif end in head:
                    with self._heard:
                        self._ends += 1
                        self._heard.notify_all()

    def _lines(self, name: str) -> Iterator[tuple[float, str, list[str]]]:
        """Writes of keys that begin so: when, the command, its words."""
        with self._connected() as client, self._heard:
            seen = self._ends
            client.sendall(f"GET {self._end}\r\n".encode())
            assert self._heard.wait_for(lambda: self._ends > seen, _PATIENCE_SECONDS)
        begin = (self._prefix + name).encode()
        for line in self._kept:
            match = _LINE.match(line)
            if match is None or not match[3].startswith(begin):
                continue
            command = match[2].decode()
            if command in ("HSET", "UNLINK"):
                words = _WORD.findall('"' + match[3].decode())
                yield float(match[1]), command, [_plain(one) for one in words]


def _plain(word: str) -> str:
    raw: bytes = ast.literal_eval(f'b"{word}"')
    return raw.decode("utf-8", "replace")


def _change(seq: int, at: float, task: str, old: dict[str, Any], new: dict[str, Any]) -> Change:
    pairs = {
        **{f"old_{name}": old.get(name) for name in _PLAIN},
        **{name: new.get(name) for name in (*_PLAIN, "due_at")},
    }
    return Change(seq, at, task, _state(old), _state(new), **pairs)


def _state(document: dict[str, Any]) -> int | None:
    return state_of(document["status"]) if document else None
