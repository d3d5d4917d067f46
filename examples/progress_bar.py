"""A page with a progress bar that follows its own task: ``uvicorn progress_bar:app``."""

import time

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from fastapi_taskflow import TaskManager, get_task_context

task_manager = TaskManager(snapshot_db="tasks.db")
app = FastAPI()
task_manager.install(app)
app.include_router(task_manager.status_router())


@task_manager.task(persist=True)
def convert(pages: int) -> None:
    context = get_task_context()
    for page in range(1, pages + 1):
        time.sleep(0.1)  # the work
        context.progress(page, pages, f"page {page}")


@app.post("/conversions")
async def start(request: Request, pages: int) -> JSONResponse:
    added = await task_manager.enqueue(convert, pages)
    return await task_manager.status_accepted(request, added.task_id)


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


PAGE = """<!doctype html><title>Conversion</title>
<progress id="bar" value="0"></progress> <output id="told"></output>
<script type="module">
  const answer = await fetch("/conversions?pages=20", {method: "POST"})
  const events = new EventSource((await answer.json()).events)
  events.addEventListener("status", ({data}) => {
    const {status, progress} = JSON.parse(data)
    bar.max = progress?.total ?? 1
    bar.value = progress?.done ?? 0
    told.value = progress?.message ?? status
  })
  events.addEventListener("end", () => { events.close(); told.value = "done" })
</script>
"""
