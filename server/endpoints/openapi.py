"""`GET /openapi.json`: the API described from the routes and the problem table, so it cannot name what is not there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import Route

from server.web import Call, Endpoint
from sync.problems import PROBLEMS

_PROBLEM = {
    "type": "object",
    "required": ["type", "slug", "title", "status", "action"],
    "properties": {
        "type": {"type": "string"},
        "slug": {"type": "string", "enum": sorted(PROBLEMS)},
        "title": {"type": "string"},
        "title_zh": {"type": "string"},
        "status": {"type": "integer"},
        "action": {"type": "string", "enum": ["retry", "sign-in", "update", "resync", "refuse", "report"]},
        "detail": {"type": "string"},
    },
}


def document(routes: Sequence[Route], address: str) -> Callable[[Call], dict[str, Any]]:
    """An endpoint that answers the OpenAPI 3.1 document of these routes."""
    described = _document(routes, address)
    return lambda call: described


def _document(routes: Sequence[Route], address: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(route.path, {})[method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lamplighter", "version": "1", "description": "Field crews offline, the office online, one truth."},
        "servers": [{"url": address}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    endpoint = route.endpoint
    assert isinstance(endpoint, Endpoint), "routes lead to wrapped functions"
    text = inspect.getdoc(endpoint.function) or ""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    problem = {"description": "Refused.", "content": {"application/problem+json": {"schema": _reference("Problem")}}}
    operation: dict[str, Any] = {
        "summary": text.split("\n\n")[0].replace("\n", " "),
        "operationId": re.sub(r"\W+", "_", f"{min(route.methods or {'GET'})}_{route.path}").strip("_").lower(),
        "parameters": parameters,
        "responses": {"200": {"description": "Done."}, "default": problem},
    }
    if endpoint.roles is not None:
        operation["security"] = [{"token": []}]
        operation["x-roles"] = [str(role) for role in endpoint.roles]
    return operation


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
