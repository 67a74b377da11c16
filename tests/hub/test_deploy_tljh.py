"""The plugin of The Littlest JupyterHub, called through pluggy as TLJH's installer and hub call it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

from helpers.paths import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "hub" / "deploy" / "tljh"
SPECIFIED = {
    "tljh_extra_user_conda_packages": "",
    "tljh_extra_user_pip_packages": "",
    "tljh_extra_hub_pip_packages": "",
    "tljh_extra_apt_packages": "",
    "tljh_custom_jupyterhub_config": "c",
    "tljh_config_post_install": "config",
    "tljh_post_install": "",
    "tljh_new_user_create": "username",
}
"""Hook → argument, as documented at https://tljh.jupyter.org/en/latest/contributing/plugins.html."""


def load_specifications() -> ModuleType:
    """Return a module like TLJH's tljh.hooks."""
    module = ModuleType("hooks")
    for name, argument in SPECIFIED.items():
        exec(f"def {name}({argument}): ...", module.__dict__)
        pluggy.HookspecMarker("tljh")(getattr(module, name))
    return module


def create_manager() -> pluggy.PluginManager:
    """Return a plugin manager with the module that the package's entry point names."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
    (name,) = project["project"]["entry-points"]["tljh"].values()
    assert project["tool"]["setuptools"]["py-modules"] == [name]
    found = pluggy.PluginManager("tljh")
    found.add_hookspecs(load_specifications())
    found.register(importlib.import_module(name))
    found.check_pending()  # each of our hooks is one that TLJH calls
    return found


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield create_manager().hook
    sys.modules.pop("tljh_nnkit", None)


def test_what_the_installer_asks_for(hook: Any) -> None:
    assert hook.tljh_extra_apt_packages() == [["bubblewrap", "fonts-dejavu-core"]]
    source = ROOT.as_uri()
    packages = [f"nnkit[learn] @ {source}", f"nnkit-grader @ {source}/grader", f"nnkit-hub @ {source}/hub"]
    assert hook.tljh_extra_user_pip_packages() == [packages]
    assert hook.tljh_extra_hub_pip_packages() == []  # the plugin's own dependencies


def test_a_course_that_comes_from_elsewhere_is_refused(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There would be no lectures and no solutions to copy."""
    monkeypatch.setattr(sys.modules["tljh_nnkit"], "distribution", lambda name: importlib.metadata.distribution("pip"))
    with pytest.raises(ValueError, match="git clone"):
        hook.tljh_extra_user_pip_packages()


def test_a_hook_that_tljh_does_not_call_is_found(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SPECIFIED, "tljh_extra_apt_packages")
    with pytest.raises(pluggy.PluginValidationError, match="tljh_extra_apt_packages"):
        create_manager()


def test_what_the_admin_has_set_stays(hook: Any) -> None:
    config: dict[str, Any] = {"limits": {"memory": "8G"}, "users": {"admin": ["root"]}}
    hook.tljh_config_post_install(config=config)
    assert config == {
        "limits": {"memory": "8G", "cpu": 2},
        "services": {"cull": {"timeout": 3600, "max_age": 604800}},
        "users": {"admin": ["root"]},
    }


# -- the hub's configuration, as root, with users and folders of its own ----------------------------------------

START = """
    import asyncio, json, pwd, sys
    from pathlib import Path
    from jupyterhub.app import JupyterHub
    from traitlets.config import Config
    sys.path[:0] = [{tests!r}, {tests!r} + "/hub", {plugin!r}]
    import test_deploy_tljh

    c = Config()  # as TLJH has it when it calls the hook
    c.JupyterHub.authenticator_class = "dummy"
    c.JupyterHub.services = [{{"name": "cull-idle", "admin": True, "command": ["true", "--timeout=3600"]}}]
    c.JupyterHub.spawner_class = "simple"
    c.JupyterHub.db_url = "sqlite://"
    c.JupyterHub.log_level = "ERROR"
    hook = test_deploy_tljh.create_manager().hook
    {before}
    hook.tljh_custom_jupyterhub_config(c=c)

    async def describe():
        hub = JupyterHub(config=c)
        await hub.initialize([])
        spawners = {{}}
        for name in ("ada", "grader-nnkit"):
            spawner = hub.users[await hub._get_or_create_user(name, hint="test")].spawners[""]
            spawner.pre_spawn_hook(spawner)
            spawners[name] = [spawner.notebook_dir, spawner.environment]
        services = {{
            name: [service.user and pwd.getpwnam(service.user).pw_name, service.admin, service.url, service.command]
            for name, service in hub._service_map.items()
        }}
        roles = {{role["name"]: role for role in hub.load_roles}}
        place = Path("/srv/nnkit")
        files = {{
            str(path.relative_to(place)): [path.owner(), oct(path.stat().st_mode & 0o777)]
            for path in [place, *place.rglob("*")]
        }}
        return {{"services": services, "spawners": spawners, "roles": roles, "files": files}}

    print(json.dumps(asyncio.run(describe())))
"""


def start_hub(folder: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the hook as at the start of a hub, in a namespace whose /etc, /srv and /home are copies."""
    for name in ("srv", "home", "run"):
        (folder / name).mkdir(exist_ok=True)
    if not (folder / "etc").exists():
        shutil.copytree("/etc", folder / "etc", symlinks=True, ignore=shutil.ignore_patterns("ssl"))
        source = folder / "srv" / "nnkit" / "source"
        source.mkdir(parents=True)
        for name in ("solutions", "notebooks"):
            shutil.copytree(ROOT / name, source / name)
        shutil.copy(ROOT / "nbgrader_config.py", source)
    code = textwrap.dedent(START).format(tests=str(ROOT / "tests"), plugin=str(FOLDER), before=before)
    binds = [word for name in ("etc", "srv", "home") for word in ("--bind", str(folder / name), f"/{name}")]
    sandbox = ["bwrap", "--bind", "/", "/", "--dev", "/dev", *binds, "--chdir", str(folder / "run")]
    return subprocess.run(
        [*sandbox, sys.executable, "-c", code],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def read_result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what the hook printed; an empty dictionary without root, which TLJH's hub has, and which it asks for."""
    if os.getuid() != 0:
        assert "PermissionError" in done.stderr
        return {}
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("hook")
def test_the_hub_starts_and_starts_again(tmp_path: Path) -> None:
    if first := read_result(start_hub(tmp_path)):
        assert_layout(first)
        place = tmp_path / "srv" / "nnkit"
        (place / "roster.csv").write_text("course,user,role\nnnkit,ada,learner\n")
        (place / "courses" / "nnkit" / "solutions" / "ps1" / "ps1.ipynb").write_text("changed")
        (place / "courses" / "spring").mkdir()
        assert_kept_and_extended(read_result(start_hub(tmp_path)), place)


def assert_layout(found: dict[str, Any]) -> None:
    """Assert that users, folders, services, roles and servers are as they should be."""
    files, services = found["files"], found["services"]
    assert files["exchange"] == ["nnkit-exchange", "0o700"]
    assert files["courses/nnkit"] == ["jupyter-grader-nnkit", "0o700"]
    assert files["courses/nnkit/solutions/ps1/ps1.ipynb"][0] == "jupyter-grader-nnkit"
    assert files["source"] == ["root", "0o700"]
    assert files["roster.csv"] == ["root", "0o600"]
    assert files["lectures/01_computational_graphs.ipynb"] == ["root", "0o644"]
    assert files["settings/learner/nbgrader_config.py"] == ["root", "0o644"]
    assert {name: service[:2] for name, service in services.items()} == {
        "cull-idle": ["", False],
        "exchange": ["nnkit-exchange", False],
        "course-nnkit": ["jupyter-grader-nnkit", False],
    }
    assert {service[2] for service in services.values() if service[2]} == {
        "http://127.0.0.1:8082",
        "http://127.0.0.1:8083",
    }
    assert found["roles"]["idle-culler"]["services"] == ["cull-idle"]
    assert {"server", "learn-nnkit", "grade-nnkit"} < set(found["roles"])
    assert found["spawners"]["grader-nnkit"][0] == "/srv/nnkit/courses/nnkit"
    assert found["spawners"]["ada"][1]["NNKIT_LECTURES"] == "/srv/nnkit/lectures"


def assert_kept_and_extended(found: dict[str, Any], place: Path) -> None:
    """Assert that existing files are kept, and that a new course has an account, a page and a folder."""
    assert found["files"]["courses/spring"] == ["jupyter-grader-spring", "0o700"]
    assert found["services"]["course-spring"][:2] == ["jupyter-grader-spring", False]
    assert "ada" in (place / "roster.csv").read_text()
    assert (place / "courses" / "nnkit" / "solutions" / "ps1" / "ps1.ipynb").read_text() == "changed"
