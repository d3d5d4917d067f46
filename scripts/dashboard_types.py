"""Writes the dashboard's types of the HTTP API from our OpenAPI document.

python scripts/dashboard_types.py            write frontend/src/api/schema.ts
python scripts/dashboard_types.py --check    fail if it is not what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from fastapi_taskflow import TaskAdmin, TaskManager

FILE = Path(__file__).resolve().parent.parent / "frontend" / "src" / "api" / "schema.ts"
HEAD = """\
// Made from the OpenAPI document by scripts/dashboard_types.py (`make types`); not to be edited.
"""
_METHODS = ("get", "post", "patch", "delete")
_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def written() -> str:
    """The whole file."""
    app = FastAPI()
    TaskAdmin(app, TaskManager(), "/tasks")
    document = app.openapi()
    schemas = document["components"]["schemas"]
    ours = {name: one for name, one in schemas.items() if "Validation" not in name}
    parts = [HEAD, *(_interface(name, one) for name, one in sorted(ours.items()))]
    routes = [
        _route(method, path.removeprefix("/tasks"), operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in methods.items()
        if method in _METHODS
    ]
    parts.append("/** By method and path beside the admin's own. */\nexport interface Routes {\n")
    parts[-1] += "".join(routes) + "}\n"
    return "\n".join(parts)


def _interface(name: str, schema: dict[str, Any]) -> str:
    if schema.get("type") != "object":
        return f"export type {name} = {_type(schema)};\n"
    told = _comment(schema.get("description"), "")
    return f"{told}export interface {name} {_fields(schema, '')}\n"


def _fields(schema: dict[str, Any], indent: str) -> str:
    required = set(schema.get("required", ()))
    lines = ["{\n"]
    for name, field in schema.get("properties", {}).items():
        optional = "" if name in required else "?"
        lines.append(_comment(field.get("description"), f"{indent}  "))
        lines.append(f"{indent}  {name}{optional}: {_type(field)};\n")
    return "".join([*lines, indent, "}"])


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    return f"{indent}/** {' '.join(text.replace('*/', '').split())} */\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(one) for one in schema[several]))
    kind = schema.get("type")
    if kind == "array":
        inner = _type(schema.get("items", {}))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    return _PLAIN.get(str(kind), "unknown")


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    query = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    fields = "; ".join(
        f"{one['name']}{'' if one.get('required') else '?'}: {_type(one['schema'])}"
        for one in query
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    answers = operation["responses"]
    kinds = [
        _type(content["schema"])
        for status in ("200", "202")
        if (content := answers.get(status, {}).get("content", {}).get("application/json"))
    ]
    given = f"{{ {fields} }}" if fields else "Record<string, never>"
    sent = _type(body["schema"]) if body else "undefined"
    answer = " | ".join(dict.fromkeys(kinds)) or "undefined"
    return (
        f"  {json.dumps(f'{method.upper()} {path}')}: "
        f"{{ query: {given}; body: {sent}; answer: {answer} }};\n"
    )


def main(arguments: list[str]) -> int:
    text = written()
    if arguments != ["--check"]:
        FILE.write_text(text)
        return 0
    if FILE.is_file() and FILE.read_text() == text:
        return 0
    print(f"error: {FILE} does not say what the API says now: run `make types`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
