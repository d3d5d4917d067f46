"""Functions for child processes that log in several ways."""

import logging
import logging.config
import os
import threading
import time
from pathlib import Path

logger = logging.getLogger(__name__)

_STEP_SECONDS = 0.005


def logs(text: str) -> None:
    logger.warning(text)


def configures(how: str) -> None:
    logger.warning("before")
    if how == "dictConfig":
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"null": {"class": "logging.NullHandler"}},
                "root": {"level": "INFO", "handlers": ["null"]},
            }
        )
    else:
        logging.basicConfig(force=True, handlers=[logging.NullHandler()])
    logger.warning("after")


def leaves_a_thread(place: str) -> None:
    """It logs once now, and once more when a file "next" is there."""
    said = threading.Event()

    def says() -> None:
        logger.warning("by a thread")
        said.set()
        _wait_for(Path(place) / "next")
        logger.warning("too late")
        (Path(place) / "logged").touch()

    threading.Thread(target=says, daemon=True).start()
    said.wait()


def lets_it_log(place: str) -> None:
    logger.warning("one")
    (Path(place) / "next").touch()
    _wait_for(Path(place) / "logged")
    thread = threading.Thread(target=logger.warning, args=("in time",))
    thread.start()
    thread.join()


def closes_all() -> None:
    os.closerange(3, 256)
    time.sleep(60)


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(_STEP_SECONDS)
