"""The reference of settings has them all, with their defaults."""

import inspect
import re

import pytest

from fastapi_taskflow import ManagedBackgroundTasks, QueueConfig, TaskAdmin, TaskManager
from tests.support.pages import DOCS

PAGE = (DOCS / "guides" / "settings.md").read_text()
SECTIONS = {
    "TaskManager": TaskManager.__init__,
    "task": TaskManager.task,
    "QueueConfig": QueueConfig,
    "TaskAdmin": TaskAdmin.__init__,
    "add_task and enqueue": ManagedBackgroundTasks.add_task,
}


def section(title):
    return re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("title", SECTIONS)
def test_each_setting_is_there(title):
    parameters = inspect.signature(SECTIONS[title]).parameters.values()
    keywords = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    named = set(re.findall(r"`(\w+)`", section(title)))

    assert keywords <= named


@pytest.mark.parametrize("title", ["TaskManager", "task", "QueueConfig", "TaskAdmin"])
def test_each_default_is_right(title):
    parameters = inspect.signature(SECTIONS[title]).parameters
    rows = re.findall(r"^\| `(\w+)` \| (`[^`]*`|[\w.]+) \|", section(title), re.MULTILINE)
    shown = {
        name: default.strip("`")
        for name, default in rows
        if re.fullmatch(r'`".*"`|None|True|False|[\d.]+', default)
    }

    assert shown
    assert shown == {name: repr(parameters[name].default).replace("'", '"') for name in shown}


def test_where_settings_are_accepted_only_their_defaults_are_told():
    parameters = inspect.signature(TaskManager.__init__).parameters
    told = re.findall(r"`(\w+)`\s\((\w[\w.]*)\)", section("TaskManager"))

    assert told == [(name, repr(parameters[name].default)) for name, _ in told]
