import enum
import functools
import gc
import weakref
from dataclasses import dataclass

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.models import TaskConfig
from fastapi_taskflow.rules.registry import TaskRegistry


def send(address: str) -> None: ...


async def charge(amount: int) -> None: ...


class Mailer:
    def deliver(self) -> None: ...

    async def fetch(self) -> None: ...

    @classmethod
    def build(cls) -> None: ...


class Plain:
    def __call__(self) -> None: ...


class Coroutine:
    async def __call__(self) -> None: ...


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> None: ...


@pytest.fixture
def registry() -> TaskRegistry:
    return TaskRegistry()


def test_a_function_is_found_by_itself_and_by_its_name(registry):
    registry.register(send, TaskConfig(retries=2))

    config = TaskConfig(retries=2, name="send")
    entry = registry.find(send)
    assert entry is registry.by_name("send")
    assert (entry.name, entry.func, entry.config) == ("send", send, config)
    assert registry.get_by_name("send") == (send, config)
    assert registry.get_config(send) == config
    assert registry.is_registered(send)


def test_what_was_not_registered_is_not_found(registry):
    assert registry.find(send) is None
    assert registry.by_name("send") is None
    assert registry.get_by_name("send") is None
    assert registry.get_config(send) is None
    assert not registry.is_registered(send)
    assert not registry.is_registered(Unhashable())


def test_a_name_replaces_the_functions_own(registry):
    registry.register(send, TaskConfig(name="mail.send"))

    assert registry.find(send).name == "mail.send"
    assert registry.by_name("mail.send").func is send
    assert registry.by_name("send") is None


@pytest.mark.parametrize(
    ("func", "executor", "is_async"), [(send, "thread", False), (charge, "async", True)]
)
def test_the_executor_follows_the_function(registry, func, executor, is_async):
    registry.register(func, TaskConfig())

    assert (registry.find(func).executor, registry.find(func).is_async) == (executor, is_async)
    # As it was written; `None` says that it was detected.
    assert registry.find(func).config.executor is None


def test_names_and_functions_follow_each_registration(registry):
    assert registry.names() == frozenset()

    registry.register(send, TaskConfig())
    registry.register(charge, TaskConfig(name="pay"))

    assert registry.names() == {"send", "pay"}
    assert registry.functions("thread") == {"send"}
    assert registry.functions("async") == {"pay"}
    assert registry.names() is registry.names()
    assert registry.functions("async") is registry.functions("async")


def test_one_function_with_two_names_is_refused(registry):
    registry.register(send, TaskConfig(name="by_mail", retries=3))

    with pytest.raises(ConfigurationError, match=r"'by_mail' already.*register that as 'by_post'"):
        registry.register(send, TaskConfig(name="by_post"))

    assert registry.names() == {"by_mail"}
    assert registry.get_config(send).retries == 3


def test_two_functions_with_one_name_are_refused(registry):
    registry.register(send, TaskConfig())

    with pytest.raises(ConfigurationError, match=r"one task name: 'send'.*another name="):
        registry.register(charge, TaskConfig(name="send"))

    assert registry.by_name("send").func is send
    assert not registry.is_registered(charge)


def test_registering_the_same_function_again_changes_its_settings(registry):
    registry.register(send, TaskConfig(retries=1))
    registry.register(send, TaskConfig(retries=2))

    assert registry.find(send).config.retries == 2


# Callables that nobody registered


@pytest.mark.parametrize(
    ("func", "name", "executor"),
    [
        (send, "send", "thread"),
        (charge, "charge", "async"),
        (functools.partial(send, "a"), "send", "thread"),
        (functools.partial(functools.partial(charge), 1), "charge", "async"),
        (Mailer().deliver, "Mailer.deliver", "thread"),
        (Mailer().fetch, "Mailer.fetch", "async"),
        (Mailer.build, "Mailer.build", "thread"),
        (functools.partial(Mailer().fetch), "Mailer.fetch", "async"),
        (Plain(), "Plain", "thread"),
        (Coroutine(), "Coroutine", "async"),
        (functools.partial(Coroutine()), "Coroutine", "async"),
        (Unhashable(), "Unhashable", "thread"),
        (Coroutine, "Coroutine", "thread"),
        (print, "print", "thread"),
        (lambda: None, "<lambda>", "thread"),
    ],
)
def test_any_callable_is_adopted(registry, func, name, executor):
    entry = registry.adopt(func)

    assert (entry.name, entry.executor) == (name, executor)
    assert entry.is_async == (executor == "async")
    assert entry.func is func
    assert entry.config == TaskConfig()


class Shy:
    def __getattr__(self, name):
        raise RuntimeError(f"asked for {name}")

    def __hash__(self):
        raise RuntimeError("asked for its hash")

    def __call__(self) -> None: ...


def test_a_callable_that_tells_nothing_of_itself_is_adopted(registry):
    assert registry.find(Shy()) is None
    assert registry.adopt(Shy()).name == "Shy"


@pytest.mark.parametrize("name", ["half \ud800", "a\0b", "line\nbreak", "\x1b[31m", "x" * 999, ""])
def test_an_adopted_name_can_be_stored_and_printed(registry, name):
    def func() -> None: ...

    func.__name__ = name
    found = registry.adopt(func).name

    assert 0 < len(found) <= 200
    assert found.isprintable()
    assert found.encode()


def test_an_adopted_callable_has_no_name_to_be_called_by(registry):
    registry.adopt(send)

    assert registry.by_name("send") is None
    assert registry.names() == frozenset()
    assert not registry.is_registered(send)


def test_adopting_a_registered_function_gives_its_entry(registry):
    registry.register(send, TaskConfig(retries=3))

    assert registry.adopt(send) is registry.find(send)


def test_a_function_adopted_before_it_was_registered_is_the_registered_one(registry):
    registry.adopt(send)

    registry.register(send, TaskConfig(retries=3))

    assert registry.adopt(send).config.retries == 3


def test_an_adopted_name_is_never_that_of_a_registered_task(registry):
    registry.register(charge, TaskConfig(name="send"))

    entry = registry.adopt(send)

    assert entry.name != "send"
    assert entry.name.endswith(".send")


def test_a_name_taken_after_the_adoption_is_not_kept(registry):
    assert registry.adopt(send).name == "send"

    registry.register(charge, TaskConfig(name="send"))

    assert registry.adopt(send).name != "send"


@pytest.mark.parametrize("bind", [functools.partial, lambda func: func.__get__(Mailer())])
def test_a_bound_form_of_a_registered_function_keeps_its_settings(registry, bind):
    registry.register(send, TaskConfig(retries=3, delay=2.0))
    form = bind(send)

    entry = registry.adopt(form)

    assert entry.func is form
    assert (entry.config.retries, entry.config.delay) == (3, 2.0)
    assert entry.name != "send"


@pytest.mark.parametrize("setting", ["persist", "requeue_on_interrupt"])
@pytest.mark.parametrize("bind", [functools.partial, lambda func: func.__get__(Mailer())])
def test_a_bound_form_of_a_durable_function_says_what_it_hides(registry, bind, setting):
    registry.register(send, TaskConfig(**{setting: True}))

    hidden = registry.adopt(bind(send)).hides

    assert hidden.entry is registry.find(send)
    assert hidden.registry is registry
    assert registry.wants_durable(hidden.entry)


def test_only_callables_are_adopted(registry):
    with pytest.raises(TypeError, match="callable"):
        registry.adopt("send")


def test_a_function_of_a_module_is_described_once(registry):
    assert registry.adopt(send) is registry.adopt(send)


@pytest.mark.parametrize(
    "make",
    [lambda: lambda: None, lambda: Mailer().deliver, Plain],
    ids=["lambda", "method", "object"],
)
def test_an_adopted_object_is_not_kept(registry, make):
    func = make()
    gone = weakref.ref(getattr(func, "__self__", func))

    registry.adopt(func)
    del func
    gc.collect()

    assert gone() is None


# Types


def test_register_type_gives_the_class_back(registry):
    @registry.register_type
    @dataclass
    class Order:
        number: int

    assert registry.types.find(registry.types.name_of(Order)) is Order


def test_only_classes_that_can_be_stored_are_registered_as_types(registry):
    bag = dataclass(type("Bag", (dict,), {}))

    for wrong in (int, Mailer, "Order", bag):
        with pytest.raises(ConfigurationError, match="a NamedTuple or a pydantic model"):
            registry.register_type(wrong)
    assert registry.types.name_of(bag) is None


def test_an_enum_is_reached_through_a_registered_functions_annotation(registry):
    colour = enum.Enum("Colour", "RED")

    def paint(colour) -> None: ...

    paint.__annotations__["colour"] = colour

    assert registry.types.name_of(colour) is None
    registry.register(paint, TaskConfig())
    assert registry.types.name_of(colour) is not None
