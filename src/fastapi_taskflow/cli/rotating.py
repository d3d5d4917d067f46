"""``rotate-keys``: everything in a store sealed anew under the newest key."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.text import Text

from fastapi_taskflow.cli.bars import bar
from fastapi_taskflow.cli.output import Answer, give, plain
from fastapi_taskflow.cli.sources import KeyFileOption, TargetOption, chosen_runtime
from fastapi_taskflow.cli.stores import (
    JsonOption,
    OptionalStoreOption,
    PrefixOption,
    actor,
    opened,
)
from fastapi_taskflow.operations.rotation import Rotated, rotate_keys
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words.counting import plural
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["rotate"]

_NO_KEY = (
    "There is no key. Give them in TASKFLOW_KEYS, separated by commas, the newest first; or in "
    "a file with --key-file, one to a line; or name the app with --app."
)
# Where nobody sees a bar, a line with the cursor after the first batch and then so often.
_TELL_SECONDS = 5.0


def rotate(  # noqa: PLR0913  (options)
    context: typer.Context,
    *,
    store: OptionalStoreOption = None,
    target: TargetOption = None,
    key_file: KeyFileOption = None,
    cursor: Annotated[
        str | None,
        typer.Option(help="Go on where a rotation to the same newest key was cut off."),
    ] = None,
    seal_clear: Annotated[
        bool | None,
        typer.Option(
            "--seal-clear/--leave-clear",
            help="Whether to seal also what was never encrypted; on a terminal it is asked.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Seal everything in a store under the newest key; the others only open.

    What was never encrypted is sealed only if you say so: processes without the key cannot
    read it any more then.

    Keys come from the variable TASKFLOW_KEYS (separated by commas, the newest first), from
    --key-file, or with --app from the app. The app may run meanwhile, if it has the newest
    key too. It may be cut off at any point and begun again. Exit code 1 if something could
    not be opened.
    """
    runtime = chosen_runtime(context, store, table_prefix, key_file, target)
    if target is None and runtime.keyring is None:
        raise typer.BadParameter(_NO_KEY, param_hint="TASKFLOW_KEYS")
    rotated = asyncio.run(_rotate(runtime, cursor, seal_clear))
    names = ("replaced", "overtaken", "unopened", "clear")
    document = {name: getattr(rotated, name) for name in names}
    answer = Answer(document=document, shown=_shown(rotated), failed=rotated.unopened > 0)
    give(answer, as_json=json)


async def _rotate(runtime: Runtime, cursor: str | None, seal_clear: bool | None) -> Rotated:
    def may_seal() -> bool:
        return _asked() if seal_clear is None else seal_clear

    async with opened(runtime, for_acts=True) as inspector:
        with _progress() as progress:
            try:
                return await rotate_keys(
                    inspector.runtime,
                    cursor=cursor,
                    progress=progress,
                    seal_clear=may_seal,
                    actor=actor(),
                )
            except ConfigurationError:
                raise
            except ValueError as exc:
                if cursor is None:
                    raise
                raise typer.BadParameter(str(exc), param_hint="--cursor") from exc


def _asked() -> bool:
    """Whether to seal what was never encrypted: no, where there is nobody to ask."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(
        "Some of this store was never encrypted. Seal it too? Processes without the key "
        "cannot read it any more then.",
        err=True,
    )


@contextmanager
def _progress() -> Iterator[Callable[[Rotated], None]]:
    """A bar; elsewhere a line now and then. Both tell the cursor if the work is cut off."""
    last: Rotated | None = None
    told_at = -_TELL_SECONDS

    with bar("Sealing") as advance:

        def progress(rotated: Rotated) -> None:
            nonlocal last, told_at
            last = rotated
            advance(f"{plural(rotated.replaced, 'value')} sealed, at {rotated.cursor}")
            if not sys.stderr.isatty() and time.monotonic() - told_at >= _TELL_SECONDS:
                told_at = time.monotonic()
                typer.echo(
                    f"{plural(rotated.replaced, 'value')} sealed; {_place(rotated)}", err=True
                )

        try:
            yield progress
        except BaseException:
            if last is not None:
                typer.echo(f"Cut off. Begin again, or go on with {_place(last)}", err=True)
            raise


def _place(rotated: Rotated) -> str:
    return f"--cursor {rotated.cursor}"


def _shown(rotated: Rotated) -> list[Text]:
    shown = [plain(f"{plural(rotated.replaced, 'value')} sealed under the newest key", "green")]
    if rotated.overtaken:
        changed = plural(rotated.overtaken, "value")
        shown.append(plain(f"{changed} changed meanwhile: run it again to be sure", "yellow"))
    if rotated.clear:
        clear = plural(rotated.clear, "value")
        told = f"{clear} never encrypted, and left so: --seal-clear seals them"
        shown.append(plain(told, "yellow"))
    if rotated.unopened:
        closed = plural(rotated.unopened, "value")
        shown.append(plain(f"{closed} could not be opened: the key is missing here", "red"))
    return shown
