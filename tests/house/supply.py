"""What the product is made of, and whether something bad is known of it: `python -m tests.house.supply sbom | audit`.

The list comes from the two locks, in CycloneDX, made by the libraries that know the format. The audit asks the advisory
services through pip-audit and npm, and says in so many words when they cannot be asked: nobody may take that for a clean bill.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot5
from packageurl import PackageURL

from tests.house.tree import ROOT

LOCK = "requirements.txt"
WEB = ROOT / "clients" / "web"
WAIT_S = 90
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


# ------------------------------------------------------------------------------------------------------------------- SBOM


def python_components() -> list[Component]:
    """Every pin of the lock that is installed to run, with the hashes it is installed by."""
    return [_component(block) for block in re.split(r"\n(?=\S)", (ROOT / LOCK).read_text()) if _PIN.match(block)]


def _component(block: str) -> Component:
    pin = _PIN.match(block)
    assert pin is not None
    name, version = pin[1].lower(), pin[2]
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=found) for found in re.findall(r"sha256:([0-9a-f]{64})", block)]
    address = PackageURL("pypi", name=name, version=version)
    return Component(type=ComponentType.LIBRARY, name=name, version=version, bom_ref=str(address), purl=address, hashes=hashes)


def sbom_of_python() -> dict[str, Any]:
    """The server's packages as a CycloneDX document."""
    bom = Bom(components=python_components())
    bom.metadata.component = Component(type=ComponentType.APPLICATION, name="lamplighter", bom_ref="lamplighter")
    bom.register_dependency(bom.metadata.component, bom.components)
    document: dict[str, Any] = json.loads(JsonV1Dot5(bom).output_as_string())
    return document


def sbom_of_web() -> dict[str, Any]:
    """The web app's packages as a CycloneDX document, by npm from its own lock."""
    command = ["npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx", "--sbom-type", "application"]
    run = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def write_sboms(folder: Path) -> list[Path]:
    """Both documents as files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, document in (("python", sbom_of_python()), ("web", sbom_of_web())):
        path = folder / f"sbom-{name}.cdx.json"
        path.write_text(json.dumps(document, indent=1) + "\n")
        written.append(path)
    return written


# ------------------------------------------------------------------------------------------------------------------ audit


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of one lock: advisories by name, or why nobody could be asked."""

    what: str
    asked: int = 0
    advisories: tuple[str, ...] = ()
    impossible: str = ""

    def sentence(self) -> str:
        if self.impossible:
            return f"audit not possible: {self.what}: {self.impossible}"
        found = f": {', '.join(self.advisories)}" if self.advisories else ""
        return f"audit of {self.what}: {self.asked} packages, {len(self.advisories)} advisories{found}"


def audit_python() -> Audit:
    """By pip-audit; a package the service does not know counts as not asked."""
    flags = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json", "--timeout", "10"]
    return python_verdict(*_said([sys.executable, "-m", "pip_audit", "-r", LOCK, *flags], ROOT))


def audit_web() -> Audit:
    """By npm."""
    return web_verdict(*_said(["npm", "audit", "--package-lock-only", "--json"], WEB))


def python_verdict(out: str, err: str) -> Audit:
    """What pip-audit's words come to."""
    try:
        rows = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        return Audit(LOCK, impossible=_last_line(err) or "pip-audit gave no answer")
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    if skipped:
        return Audit(LOCK, impossible=f"the advisory service does not know {len(skipped)} of {len(rows)} packages")
    found = [f"{row['name']} {advisory['id']}" for row in rows for advisory in row["vulns"]]
    return Audit(LOCK, len(rows), tuple(found))


def web_verdict(out: str, err: str) -> Audit:
    """What npm's words come to."""
    what = "clients/web/package-lock.json"
    try:
        said = json.loads(out)
        found = tuple(f"{name} ({row['severity']})" for name, row in sorted(said["vulnerabilities"].items()))
        return Audit(what, said["metadata"]["dependencies"]["total"], found)
    except (ValueError, KeyError, TypeError):
        return Audit(what, impossible=_last_line(err) or "npm gave no answer")


def _said(command: list[str], folder: Path) -> tuple[str, str]:
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        return "", f"no answer within {WAIT_S} s"
    except OSError as error:
        return "", f"{command[0]} cannot be run ({error.strerror})"
    return run.stdout, run.stderr


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "complete log" not in line]
    return re.sub(r"https?://\S+", "the service", lines[-1])[:200] if lines else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["sbom", "audit"])
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder of the SBOMs")
    parser.add_argument("--strict", action="store_true", help="fail when there are advisories, or nobody could be asked")
    asked = parser.parse_args()
    if asked.what == "sbom":
        for path in write_sboms(asked.out):
            print(f"{path}: {len(json.loads(path.read_text())['components'])} components")
        return 0
    audits = [audit_python(), audit_web()]
    for audit in audits:
        print(audit.sentence())
    return int(asked.strict and any(audit.impossible or audit.advisories for audit in audits))


if __name__ == "__main__":
    sys.exit(main())
