"""Opens the shop on 127.0.0.1 until Ctrl+C."""

from __future__ import annotations

import argparse
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

HOST = "127.0.0.1"


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(
        filename=arguments.db.with_suffix(".log"),
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # Before the import: the manager is made when the module is.
    os.environ["SHOP_DB"] = str(arguments.db)
    from examples.shop.app import app  # noqa: PLC0415

    with _bound(arguments.port) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        if arguments.traffic:
            app.state.traffic_url = url
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False))
        server.greeting = _greeting(url, arguments.db)
        with suppress(KeyboardInterrupt):  # uvicorn has shut down and raises it once more
            server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says where it is once it answers."""

    greeting = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.greeting, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        print("\nClosing. What is stored and not finished goes on at the next start.", flush=True)
        await super().shutdown(sockets)


def _greeting(url: str, db: Path) -> str:
    return f"""
The shop is open. Ctrl+C closes it; kill -9 does it no harm either: start it again and see.

  app           {url}/docs
  task list     {url}/tasks
  status page   {url}/tasks/dashboard

Tasks are stored in {db}; Python's log is in {db.with_suffix(".log")}. What tasks say:
"""


def _bound(port: int | None) -> socket.socket:
    """A listening socket on the port, or on the first free one from 8000 on."""
    for candidate in range(8000, 8100) if port is None else (port,):
        # With its protocol named, asyncio knows it for TCP and turns Nagle's algorithm off.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener
    raise SystemExit(f"No free port: {port if port is not None else '8000 to 8099'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.shop", description=__doc__)
    parser.add_argument("--port", type=int, help="default: 8000 or the next free one; 0: any")
    parser.add_argument("--db", type=Path, default=Path("shop.db"), help="default: shop.db")
    parser.add_argument(
        "--no-traffic", dest="traffic", action="store_false", help="without customers"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
