"""Why a request is turned away, before anything is looked at."""

from __future__ import annotations

from math import ceil

from fastapi import HTTPException

__all__ = ["BadValue", "NotSignedIn", "Refused", "Throttled"]


class Refused(HTTPException):
    """403: the client may not do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


class BadValue(HTTPException):
    """400: a parameter has a value that means nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)


class NotSignedIn(HTTPException):
    """401: nobody is known to have sent this."""

    def __init__(self, detail: str) -> None:
        # Never the challenge `Basic`: browsers would open a window of their own for it, and
        # send what is typed there to every page of the host from then on.
        super().__init__(401, detail, {"WWW-Authenticate": "Cookie"})


class Throttled(HTTPException):
    """429: too many tries to sign in. ``seconds`` until the next one makes sense."""

    def __init__(self, seconds: float) -> None:
        # Rounded up, so that who comes back then is not refused once more.
        whole = max(1, ceil(seconds))
        wait = f"{whole} second{'' if whole == 1 else 's'}"
        super().__init__(
            429,
            f"Too many tries to sign in. Please wait {wait}, then try again.",
            {"Retry-After": str(whole)},
        )
