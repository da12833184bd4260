"""`GET /openapi.json`: the API described from the routes and the problem table, so it cannot name what is not there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import cache
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

_BYTES = "Photo bytes. Uploads speak tus 1.0 (https://tus.io/protocols/resumable-upload); pictures are read by hash."


def document(routes: Sequence[Route], address: str) -> Callable[[Call], dict[str, Any]]:
    """An endpoint that answers the OpenAPI 3.1 document of these routes."""

    described = cache(lambda: _document(routes, address))  # at the first call, when every route is there

    def describe(call: Call) -> dict[str, Any]:
        """This document."""
        return described()

    return describe


def _document(routes: Sequence[Route], address: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        methods = route.methods or set()
        for method in sorted(methods - {"HEAD"} if "GET" in methods else methods):
            paths.setdefault(_template(route), {})[method.lower()] = _operation(route, method)
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


def _template(route: Route) -> str:
    """A route's path as OpenAPI writes it: parameters by name alone."""
    return re.sub(r"{(\w+):\w+}", r"{\1}", route.path)


def _operation(route: Route, method: str) -> dict[str, Any]:
    endpoint, path = route.endpoint, _template(route)
    text = inspect.getdoc(endpoint.function) or "" if isinstance(endpoint, Endpoint) else getattr(endpoint, "summary", _BYTES)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"{(\w+)}", path)
    ]
    problem = {"description": "Refused.", "content": {"application/problem+json": {"schema": _reference("Problem")}}}
    operation: dict[str, Any] = {
        "summary": text.split("\n\n")[0].replace("\n", " "),
        "operationId": re.sub(r"\W+", "_", f"{method}_{path}").strip("_").lower(),
        "parameters": parameters,
        "responses": {"200": {"description": "Done."}, "default": problem},
    }
    page = getattr(endpoint, "media_type", None)
    if page is not None:
        operation["responses"]["200"]["content"] = {page: {"schema": {"type": "string"}}}
    elif not isinstance(endpoint, Endpoint):
        operation["security"] = [] if method == "OPTIONS" else [{"token": []}]
    elif endpoint.roles is not None:
        operation["security"] = [{"token": []}]
        operation["x-roles"] = [str(role) for role in endpoint.roles]
    return operation


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
