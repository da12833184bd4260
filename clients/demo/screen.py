"""How the story looks in a terminal: chapters of one line, small tables, a bar while people work.

Shape doubles colour everywhere (a mark stands before each coloured word). Refuses to know what is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

OK, ASK, OFF, WRONG = "✔", "◆", "✈", "✘"
Cell = str | Text
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class Screen:
    """A console with the story's few shapes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._chapter = 0

    def chapter(self, title: str, line: str) -> None:
        """A numbered heading and one line that says what happens."""
        self._chapter += 1
        self.console.print()
        self.console.rule(f"[bold]{self._chapter} · {title}[/bold]", align="left", style="blue")
        self.console.print(Text(line, "dim"))

    def line(self, text: str, mark: str = OK, style: str = "green") -> None:
        """One thing that happened, behind its mark."""
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=1)
        grid.add_column(overflow="fold")  # Chinese has no spaces to break at
        grid.add_row(Text(mark, style), Text(text))
        self.console.print(Padding(grid, (0, 0, 0, 1), expand=False))

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Rows under headings; the first column is not broken, columns of numbers stand to the right."""
        body = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for index, heading in enumerate(headings):
            numeric = bool(body) and all(_NUMBER.fullmatch(row[index].plain) for row in body)
            table.add_column(heading, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
        for row in body:
            table.add_row(*row)
        self.console.print(Padding(table, (0, 0, 0, 1), expand=False))

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar while something is done `total` times; call what it gives after each."""
        columns = (TextColumn(f" [magenta]{OFF}[/magenta] {text}"), BarColumn(24), TextColumn("{task.completed}/{task.total}"))
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(text, total=total)
            yield lambda: progress.advance(task)
