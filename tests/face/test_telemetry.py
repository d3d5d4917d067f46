"""FastAPI's span around each background task stays, and the task runs inside it."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import TaskManager

trace = pytest.importorskip("opentelemetry.trace")
if "telemetry" not in inspect.signature(FastAPI).parameters:  # the oldest FastAPI that we support
    pytest.skip("this FastAPI makes no spans", allow_module_level=True)


class Recorder(trace.TracerProvider, trace.Tracer):  # type: ignore[misc, name-defined]
    """Gives spans that are nothing but an id, and remembers what they were made for."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.functions: dict[int, str] = {}

    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def start_span(self, name: str, *args: Any, attributes: Any = None, **kwargs: Any) -> Any:
        number = len(self.names) + 1
        self.names[number] = name
        self.functions[number] = (attributes or {}).get("code.function.name", "")
        return trace.NonRecordingSpan(
            trace.SpanContext(trace_id=1, span_id=number, is_remote=False)
        )

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        kwargs.pop("record_exception", None)
        kwargs.pop("set_status_on_exception", None)
        with trace.use_span(self.start_span(name, **kwargs)) as span:
            yield span

    def current(self) -> tuple[str, str]:
        """Name and function of the span that is current here."""
        number = trace.get_current_span().get_span_context().span_id
        return self.names.get(number, "none"), self.functions.get(number, "")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("managed", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_task_runs_in_the_span_of_its_own_function(
    tasks: TaskManager, recorder: Recorder, managed: bool, persist: bool, is_async: bool
) -> None:
    app = FastAPI(telemetry={"tracer_provider": recorder})
    seen: list[tuple[str, str]] = []

    async def on_loop() -> None:
        seen.append(recorder.current())

    def in_thread() -> None:
        seen.append(recorder.current())

    function: Callable[[], Any] = on_loop if is_async else in_thread
    if managed:
        tasks.install(app)
        tasks.task(persist=persist)(function)

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(function)
        background_tasks.add_task(function)

    with TestClient(app) as client:
        assert client.post("/").is_success

    span = ("fastapi.background_task", f"{__name__}.{function.__qualname__}")
    assert seen == [span, span]
    assert list(recorder.names.values()).count("fastapi.background_task") == 2


@pytest.mark.parametrize("persist", [False, True])
def test_a_task_beside_the_lane_runs_in_the_trace_of_its_request(
    tasks: TaskManager, recorder: Recorder, persist: bool
) -> None:
    app = FastAPI(telemetry={"tracer_provider": recorder})
    tasks.install(app)
    seen: list[tuple[str, str]] = []

    @tasks.task(persist=persist, priority=1)
    async def beside() -> None:
        seen.append(recorder.current())

    @app.post("/")
    async def endpoint(background_tasks: BackgroundTasks) -> None:
        seen.append(recorder.current())
        background_tasks.add_task(beside)

    with TestClient(app) as client:
        assert client.post("/").is_success

    in_endpoint, in_task = seen
    assert in_endpoint[0] != "none"
    assert in_task == in_endpoint
