"""Work guides over HTTP: a form comes in as a guide of one version, and the office sees which there are."""

from __future__ import annotations

from typing import Any

from server.desk import guides
from server.desk.reference import guide_views
from server.endpoints.desk import import_options
from server.endpoints.devices import author
from server.endpoints.fields import flag
from server.service import Service
from server.storage import tables as t
from server.storage.reference import guide_texts, put_guide
from server.web import Call


class Guides:
    """Endpoints over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def import_guide(self, call: Call) -> dict[str, Any]:
        """A work guide from an XLSForm (.xlsx, .xls, .csv); options in the first line: kinds, causes, version, dry_run.

        Phones of every station receive it with their next sync. What cannot become a guide is refused whole, as `bad-form`
        with every fault; what phones leave out of it is told in `notes`.
        """
        options, data = import_options(call.body)
        said = guides.Options(options.get("kinds"), options.get("causes"), options.get("version"))
        guide, notes = guides.read_guide(data, said)
        dry_run = flag(options, "dry_run")
        new = self._would_be_new(guide) if dry_run else self._store(guide, author(call.principal))
        return {**_summary(guide), "new": new, "notes": [note.document() for note in notes], "dry_run": dry_run}

    def _would_be_new(self, guide: guides.Guide) -> bool:
        rows = self._service.queries().rows(t.Guide, guide=guide["guide"])
        return guides.admit(guide, {row["version"]: row["content"] for row in rows})

    def _store(self, guide: guides.Guide, by: str) -> bool:
        now = self._service.now_ms()
        new: bool = self._service.writer.work(lambda tx: put_guide(tx, guide, now, by), refers=True)
        return new

    def list(self, call: Call) -> dict[str, Any]:
        """Every version of every guide with its title and what it is for; `guide` in the query gives that one's whole."""
        name = call.query().get("guide")
        views = dict(guide_views(guide_texts(self._service.queries())))
        if name is not None:
            return {"guides": [view for view in views.values() if view["guide"] == name]}
        return {"guides": [_summary(view) | {"superseded": view["superseded"]} for view in views.values()]}


def _summary(guide: guides.Guide) -> dict[str, Any]:
    names = ("guide", "version", "title", "kinds", "causes")
    photos = sum(step["type"] == "photo" for step in guide["steps"])
    return {name: guide[name] for name in names} | {"steps": len(guide["steps"]), "photos": photos}
