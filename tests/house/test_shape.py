"""The shape of the code: functions a reader can hold in mind, modules that say what they are for."""

from __future__ import annotations

import ast

from tests.house.tree import PACKAGES, parsed, python_files, text

FUNCTION_LINES_MAX = 70


def test_no_function_is_longer_than_70_lines() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in python_files("server", "sync", "clients")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in python_files(*PACKAGES) if text(path).strip() and not ast.get_docstring(parsed(path))]
    assert not silent, f"no module docstring: {', '.join(silent)}"
