"""A page with a progress bar that follows an import of many rows: ``uvicorn import_bar:app``."""

import time

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from fastapi_taskflow import TaskManager

task_manager = TaskManager(snapshot_db="tasks.db")
app = FastAPI()
task_manager.install(app)
app.include_router(task_manager.status_router())


@task_manager.task()
def import_row(row: int) -> None:
    time.sleep(0.1)  # the work
    if not row % 13:
        raise ValueError(f"row {row} has no name")


@app.post("/imports")
async def start(request: Request, rows: int) -> JSONResponse:
    batch = await task_manager.batch([task_manager.call(import_row, n) for n in range(rows)])
    return await task_manager.status_accepted(request, batch)


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


PAGE = """<!doctype html><title>Import</title>
<progress id="bar" value="0"></progress> <output id="told"></output>
<script type="module">
  const answer = await fetch("/imports?rows=20", {method: "POST"})
  const events = new EventSource((await answer.json()).events)
  events.addEventListener("status", ({data}) => {
    const {progress, failed} = JSON.parse(data)
    bar.max = progress.total
    bar.value = progress.done
    told.value = `${progress.done} of ${progress.total}, ${failed} failed`
  })
  events.addEventListener("end", () => events.close())
</script>
"""
