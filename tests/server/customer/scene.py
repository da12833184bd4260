"""The customer's side: a link as the crew's phone shows it, the page behind it, and what comes of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx

from server.auth import Role
from tests.server.api.world import Phone, World

FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Customers:
    """Everything a customer does goes through HTTP, without a token, a cookie or a script."""

    world: World

    def job(self, crew: str = "A", **fields: Any) -> tuple[str, Phone, str]:
        """A ticket, a phone of its crew that holds it, and the path the phone shows as a code."""
        ticket, phone = self.world.ticket(crew=crew, **fields), self.world.phone(crew)
        phone.sync()
        return ticket, phone, str(phone.view(ticket)["rating_path"])

    def open(self, path: str, **headers: str) -> httpx.Response:
        return self.world.ask("GET", path, role=None, headers=headers)

    def send(self, path: str, form: dict[str, str] | bytes, **headers: str) -> httpx.Response:
        if isinstance(form, bytes):
            return self.world.ask("POST", path, role=None, content=form, headers={**FORM, **headers})
        return self.world.ask("POST", path, role=None, data=form, headers=headers)

    def told(self, ticket: str) -> list[dict[str, Any]]:
        """What headquarters has of this ticket's ratings."""
        return self.world.hq("rating", ticket=ticket)

    def answers(self, ticket: str) -> list[dict[str, Any]]:
        return [row["answer"] for row in self.told(ticket)]

    def office_view(self, ticket: str) -> dict[str, Any]:
        view: dict[str, Any] = self.world.get(f"/v1/tickets/{ticket}", role=Role.DISPATCHER)["ticket"]
        return view


VOID = frozenset({"meta", "link", "input", "br", "path", "circle"})


class Page(HTMLParser):
    """A page taken apart: its elements in order, its words, and whether every element was closed in its turn."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.crossed: list[str] = []
        self._open: list[str] = []
        self.inside: dict[int, list[str]] = {}
        self.feed(response.text)
        self.close()
        self.crossed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside[len(self.elements)] = list(self._open)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and data.strip():
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def chosen(self) -> dict[str, str | None]:
        """The value of every control that has one: what a browser would send."""
        found: dict[str, str | None] = {}
        select = ""
        for tag, attributes in self.elements:
            if tag == "select":
                select = attributes["name"] or ""
            elif tag == "option" and "selected" in attributes:
                found[select] = attributes["value"]
            elif tag == "input" and "checked" in attributes:
                found[attributes["name"] or ""] = attributes.get("value", "on")
        return found
