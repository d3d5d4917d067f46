"""The README's first example, pasted into a file as a reader would."""

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    code = re.search(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "main.py").write_text(code[1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_quick_start_runs_its_task_and_shows_it(pasted, capsys):
    spec = importlib.util.spec_from_file_location("quick_start", pasted / "main.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    with TestClient(module.app) as client:
        answer = client.post("/signup", params={"address": "ada@example.com"})
        tasks = client.get("/tasks").json()

    assert answer.json() == {"signed_up": "ada@example.com"}
    assert [(task["func_name"], task["status"]) for task in tasks] == [("send_email", "success")]
    assert "mail to ada@example.com" in capsys.readouterr().out
    assert (pasted / "tasks.db").exists()


def test_the_quick_start_is_short(pasted):
    lines = (pasted / "main.py").read_text().splitlines()

    assert len([line for line in lines if line.strip()]) <= 20


@pytest.mark.crash
def test_the_quick_start_works_under_uvicorn(pasted):
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            url = next(m[1] for line in server.stderr if (m := re.search(r"on (http\S+)", line)))
            with httpx2.Client(base_url=url) as client:
                assert client.post("/signup", params={"address": "ada@example.com"}).is_success
                assert state_at_the_end(client) == "success"
                assert client.get("/tasks/dashboard").status_code == 200
        finally:
            server.terminate()
            server.communicate(timeout=60)


def state_at_the_end(client: httpx2.Client) -> str:
    deadline = time.monotonic() + 60
    while True:
        status: str = client.get("/tasks").json()[0]["status"]
        if status not in ("pending", "running") or time.monotonic() > deadline:
            return status
