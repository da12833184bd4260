"""What is shipped for operations names real things: image, unit, compose file, list of parts, and the words of an audit.

No container engine is asked: these read the files, and say in docs/operator.md that they do no more.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.settings import PREFIX, Settings
from tests.house import supply
from tests.house.tree import files, text

COMPOSE, UNIT = "docs/operations/compose.yaml", "docs/operations/lamplighter.service"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text("Dockerfile"), flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def test_the_image_copies_only_what_exists_and_from_stages_that_exist() -> None:
    stages = {rest.split()[-1] for word, rest in instructions() if word == "FROM" and " AS " in rest}
    tracked = set(files()) | {str(Path(path).parent) for path in files()} | {path.split("/")[0] for path in files()}
    for word, rest in instructions():
        if word != "COPY":
            continue
        *sources, _ = [part for part in rest.split() if not part.startswith("--")]
        stage = re.search(r"--from=(\S+)", rest)
        if stage:
            assert stage[1] in stages
        else:
            assert all(source in tracked for source in sources), rest
    for bound, stage_name in re.findall(r"type=bind,(?:source=(\S+?),|from=(\S+?),)", text("Dockerfile")):
        assert bound in tracked or stage_name in stages


def test_the_image_runs_the_wheels_own_command_as_nobody_important_and_looks_after_itself() -> None:
    words = [word for word, _ in instructions()]
    last = max(at for at, word in enumerate(words) if word == "FROM")
    final = dict(instructions()[last:])
    assert final["CMD"] == '["lamplighter", "serve"]' and final["USER"] == "lamplighter"
    assert words.index("USER") > last and "useradd" in final["RUN"] and "--require-hashes" in final["RUN"]
    assert "/livez" in final["HEALTHCHECK"] and final["EXPOSE"] in final["HEALTHCHECK"] + final["ENV"]
    named = set(re.findall(rf"{PREFIX}(\w+)", final["ENV"]))
    assert named <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("file", [COMPOSE, UNIT])
def test_every_setting_named_is_a_setting(file: str) -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)[:=]", text(file)))
    assert named and named - {"NAME"} <= {name.upper() for name in Settings.model_fields}


def block(name: str) -> dict[str, str]:
    """The entries of one top-level block of the compose file, each with its text."""
    body = re.search(rf"^{name}:\n((?:(?:  .*)?\n)+)", text(COMPOSE) + "\n", re.MULTILINE)
    assert body is not None, name
    parts = re.split(r"^  ([\w-]+):", body[1], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_compose_file_names_only_services_volumes_and_configs_that_it_has() -> None:
    services, volumes, configs = block("services"), block("volumes"), block("configs")
    assert {f"server-{n}" for n in (1, 2, 3)} | {"database", "objects", "proxy"} <= set(services)
    everything = text(COMPOSE)
    for name, body in services.items():
        for source in re.findall(r"source: (\w+)", body):
            assert source in configs, name
        for mount in re.findall(r'"([\w-]+):/', body):
            assert mount in volumes, f"{name} mounts {mount}"
    for upstream in re.findall(r"(server-\d):8640", configs["proxy"]):
        assert upstream in services
    assert "\t" not in everything


def test_the_compose_file_gives_the_drain_time_and_holds_no_secret() -> None:
    assert "stop_grace_period: 30s" in text(COMPOSE)
    for secret in ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        assert f"${{{secret}:?}}" in text(COMPOSE), "asked for, never written down"
    assert not re.search(r"(PASSWORD|SECRET\w*): [^$\s]", text(COMPOSE))


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    assert int(re.search(r"TimeoutStopSec=(\d+)", text(UNIT))[1]) > 25  # type: ignore[index]  # a unit without it fails here
    for line in text(UNIT).splitlines():
        assert not line or line[0] in "#[" or re.fullmatch(r"[A-Z]\w+=.*", line), line
    if shutil.which("systemd-analyze") is None:
        return  # read above; a machine without systemd cannot say more
    copy = tmp_path / "lamplighter.service"
    copy.write_text(text(UNIT).replace("/opt/lamplighter/bin/lamplighter serve", "/bin/true"))  # ours is not installed here
    run = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert "lamplighter.service" not in run.stderr, run.stderr


def test_the_list_of_parts_holds_every_pin_of_the_lock_with_its_hashes() -> None:
    document = supply.sbom_of_python()
    pins = set(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text("requirements.txt"), re.MULTILINE))
    assert document["bomFormat"] == "CycloneDX" and document["specVersion"] == "1.5"
    assert {(one["name"], one["version"]) for one in document["components"]} == {(name.lower(), v) for name, v in pins}
    assert all(one["hashes"] and one["purl"].startswith("pkg:pypi/") for one in document["components"])


def test_an_audit_that_could_not_ask_says_so_and_one_that_found_something_names_it() -> None:
    clean = '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'
    known = '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]}'
    unknown = '{"dependencies": [{"name": "a", "version": "1", "skip_reason": "not found"}]}'
    assert supply.python_verdict(clean, "").sentence().endswith("1 packages, 0 advisories")
    assert "a X-1" in supply.python_verdict(known, "").sentence()
    for out, err in ((unknown, ""), ("", "ConnectionError: no route"), ("", ""), ("{}", "")):
        assert supply.python_verdict(out, err).sentence().startswith("audit not possible: ")
    npm = '{"vulnerabilities": {"left-pad": {"severity": "high"}}, "metadata": {"dependencies": {"total": 9}}}'
    assert "left-pad (high)" in supply.web_verdict(npm, "").sentence()
    assert supply.web_verdict('{"message": "405"}', "npm error x").sentence().startswith("audit not possible: ")
