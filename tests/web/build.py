"""What `make web` built, read as files: how much script comes first, and what the service worker keeps."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from server.endpoints.pages import BUILT

WEB = Path(__file__).parents[2] / "clients" / "web"
PREFIX = "/crew/"


def page(built: Path = BUILT) -> str:
    """The app's page. Raises RuntimeError naming what to do when it is not built."""
    if not (built / "index.html").is_file():
        raise RuntimeError("the web app is not built: run `make web`")
    return (built / "index.html").read_text("utf-8")


def first_scripts(built: Path = BUILT) -> list[str]:
    """Every script that stands between a tap on the icon and the first screen: those of the page, and what they import."""
    todo = re.findall(r'(?:src|href)="/crew/([^"]+\.js)"', page(built))
    found: list[str] = []
    while todo:
        name = todo.pop()
        if name not in found:
            found.append(name)
            code = (built / name).read_text("utf-8")
            todo += [f"assets/{other}" for other in re.findall(r'(?:from|import)\s*["`\']\./([^"`\']+\.js)["`\']', code)]
    return sorted(found)


def gzipped_bytes(names: list[str], built: Path = BUILT) -> int:
    """How many bytes these files are on the wire."""
    return sum(len(gzip.compress((built / name).read_bytes(), 9, mtime=0)) for name in names)


def kept_files(built: Path = BUILT) -> list[dict[str, Any]]:
    """The list inside the service worker."""
    code = (built / "sw.js").read_text("utf-8")
    listed = re.search(r'\[\{"url":.*?\}\]', code)
    assert listed, "sw.js holds no list of files"
    entries: list[dict[str, Any]] = json.loads(listed[0])
    return entries


def build_as(version: str, folder: Path) -> Path:
    """The app built anew as another version; where it lies."""
    environment = os.environ | {"LAMPLIGHTER_WEB_VERSION": version}
    command = ["npx", "--no-install", "vite", "build", "--outDir", str(folder), "--emptyOutDir", "--logLevel", "warn"]
    subprocess.run(command, cwd=WEB, env=environment, check=True, capture_output=True)
    return folder
