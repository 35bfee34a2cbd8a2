"""What a user installs: from a wheel, from the sources, and in place, napari finds the plugin and all its files."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_kikuchi

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_kikuchi"
SHIPPED = [
    "napari.yaml",
    "py.typed",
    "data/README.md",
    "data/nickel.up1",
    "data/silicon.up1",
    "autoencoder/weights/kikuchi-unet-large.json",
    "autoencoder/weights/kikuchi-unet-large.weights.h5",
    "autoencoder/weights/kikuchi-unet-map.json",
    "autoencoder/weights/kikuchi-unet-map.weights.h5",
]
FIND = """
import json, site, sys
for place in sys.argv[1:]:
    site.addsitedir(place)
from importlib.metadata import distribution
from npe2 import PluginManifest
import napari_kikuchi
manifest = PluginManifest.from_distribution("napari-kikuchi")
print(json.dumps({
    "commands": [command.id for command in manifest.contributions.commands],
    "distribution": str(distribution("napari-kikuchi")._path),
    "module": napari_kikuchi.__file__,
    "version": manifest.package_version,
}))
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of what git has, so that a build sees nothing else and leaves nothing behind."""
    copy = tmp_path_factory.mktemp("sources") / "napari-kikuchi"
    unwanted = shutil.ignore_patterns(".*cache", ".venv", ".git", "__pycache__", "runs", "build", "dist", "demo-output")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted)
    return copy


@pytest.fixture(scope="module")
def built(sources):
    """The wheel and the sdist."""
    output = sources.parent / "built"
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--sdist", "--outdir", output, sources]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,), (sdist,) = output.glob("*.whl"), output.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(PACKAGE / "napari.yaml")


def installed(place, *what):
    """Install without the network, and ask a new process what it finds."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--prefix", place, "--ignore-installed", *what], check=True, capture_output=True)
    (site_packages,) = {path.parent for path in place.rglob("*.dist-info")}
    # First on the path, before the copy under test that is installed in place.
    environment = {**os.environ, "PYTHONPATH": str(site_packages), "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [sys.executable, "-c", FIND, site_packages],
        cwd=place,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return site_packages, json.loads(found.stdout.splitlines()[-1])


def check_found(site_packages, found, manifest):
    assert Path(found["distribution"]).parent == site_packages
    assert found["commands"] == [command.id for command in manifest.contributions.commands]
    assert found["version"] == napari_kikuchi.__version__


@pytest.mark.parametrize("kind", [0, 1], ids=["wheel", "sdist"])
def test_napari_finds_the_plugin_installed_from(built, kind, tmp_path, manifest):
    site_packages, found = installed(tmp_path, built[kind])
    check_found(site_packages, found, manifest)
    assert Path(found["module"]).parent == site_packages / "napari_kikuchi"
    for name in SHIPPED:
        assert (site_packages / "napari_kikuchi" / name).is_file(), name


def test_napari_finds_the_plugin_installed_in_place(sources, tmp_path, manifest):
    site_packages, found = installed(tmp_path, "--editable", sources)
    check_found(site_packages, found, manifest)
    (link,) = site_packages.glob("*napari_kikuchi*.pth")
    assert Path(link.read_text().strip()) == sources / "src"


def test_the_wheel_holds_all_that_is_needed_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    for name in SHIPPED:
        assert f"napari_kikuchi/{name}" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"napari_kikuchi"}
    facts = Parser().parsestr(metadata)
    assert facts["Version"] == napari_kikuchi.__version__
    assert facts["License-Expression"] == "BSD-3-Clause"
    assert "Framework :: napari" in facts.get_all("Classifier")
    assert set(facts.get_all("Provides-Extra")) == {"all", "cluster", "index", "simulate", "torch", "train", "dev"}
    base = [line for line in facts.get_all("Requires-Dist") if "extra ==" not in line]
    assert not any(qt in line.lower() for line in base for qt in ("pyqt", "pyside", "napari["))


def test_the_sdist_holds_what_is_needed_to_test_it(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "Makefile", "napari.yaml", "tests/conftest.py"}
    assert wanted <= names
    assert {f"src/napari_kikuchi/{name}" for name in SHIPPED} <= names


def test_the_manifest_is_visible_at_the_top_level():
    visible = ROOT / "napari.yaml"
    # A checkout on Windows has a text file where the link would be.
    target = visible.resolve() if visible.is_symlink() else ROOT / visible.read_text().strip()
    assert target == (PACKAGE / "napari.yaml").resolve()


def test_every_command_of_the_manifest_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_whatever_names_a_command_names_one_that_exists(manifest):
    contributions = manifest.contributions
    commands = {command.id for command in contributions.commands}
    menus = [item.command for items in contributions.menus.values() for item in items]
    others = [*contributions.readers, *contributions.writers, *contributions.sample_data, *contributions.widgets]
    assert len(menus) >= 2
    assert {*menus, *(item.command for item in others)} <= commands


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]
    assert f"version: {napari_kikuchi.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert napari_kikuchi.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert importlib.metadata.version("napari-kikuchi") == napari_kikuchi.__version__


def test_importing_the_package_or_the_plugin_imports_nothing_heavy():
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import napari_kikuchi, napari_kikuchi.plugin.reader, napari_kikuchi.plugin.writer\n"
        "heavy = {'cv2', 'dask', 'keras', 'napari', 'qtpy', 'tensorflow', 'torch'}\n"
        "print('imported:', *heavy & set(sys.modules) - before)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "imported:"
