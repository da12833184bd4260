"""One distribution, four packages: what the wheel carries, that it runs anywhere, that no one else claims our names."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from tests.house.tree import PACKAGES, ROOT, files, text

WEB = "clients/web/"
BUILT = f"{WEB}dist/"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built as an installer would build it, without a network."""
    return wheel_of(ROOT, tmp_path_factory.mktemp("wheel"))


def wheel_of(checkout: Path, folder: Path) -> zipfile.ZipFile:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout)
        return zipfile.ZipFile(folder / build_wheel(str(folder)))


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    info = {top for top in tops if top.endswith(".dist-info")}
    expected = {path.split("/")[0] for path in files() if path.startswith(tuple(f"{p}/" for p in PACKAGES))}
    assert len(info) == 1 and tops - info == expected


def test_the_wheel_holds_every_file_of_the_packages_data_included(wheel: zipfile.ZipFile) -> None:
    ours = {path for path in files() if path.split("/")[0] in PACKAGES and not path.startswith(WEB)}
    assert ours == {name for name in wheel.namelist() if ".dist-info/" not in name and not name.startswith(BUILT)}


def test_the_wheel_holds_the_web_client_as_it_was_built_and_none_of_its_sources(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for path in (*(p for p in files() if p.split("/")[0] in PACKAGES), "pyproject.toml", "README.md", ".gitignore"):
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, checkout / path)
    built = {f"{BUILT}crew/index.html": b"<!doctype html>", f"{BUILT}crew/assets/a-1b2c.js": b"1;", f"{BUILT}crew/sw.js": b"2;"}
    for path, data in {**built, f"{WEB}node_modules/x/index.js": b"no", f"{WEB}crew/app.tsx": b"no"}.items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_bytes(data)
    wheel = wheel_of(checkout, tmp_path)
    assert {name: wheel.read(name) for name in wheel.namelist() if name.startswith(WEB)} == built
    wheel.extractall(tmp_path / "site")
    script = "from server.endpoints import pages; print(sorted(pages.read_files(pages.BUILT)))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == "['assets/a-1b2c.js', 'index.html', 'sw.js']", run.stderr


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(name).decode())
    assert entries["console_scripts"]["lamplighter"] == "server.__main__:main"


@pytest.mark.skipif("server/__main__.py" not in files(), reason="there is no command line yet")
def test_the_command_runs_from_the_wheel_outside_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    script = "import sys; sys.argv = ['lamplighter', '--help']; from server.__main__ import main; sys.exit(main())"
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "serve" in run.stdout


def test_no_other_distribution_provides_our_package_names() -> None:
    claimed = packages_distributions()
    assert {name: claimed[name] for name in PACKAGES if set(claimed.get(name, [])) - {"lamplighter"}} == {}


def test_every_top_level_package_is_in_the_wheel_configuration() -> None:
    wheel_target = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert tuple(wheel_target["packages"]) == PACKAGES
