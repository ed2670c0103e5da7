"""Two courses on one JupyterHub, as book/hub.md sets it up: a hub, its proxy, its services."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pytest
import requests
from jupyterhub.auth import DummyAuthenticator
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect
from traitlets.config.loader import PyFileConfigLoader

from tests.conftest import ROOT, Course, Person, read_recipe

pytestmark = pytest.mark.timeout(600)

HUB = ROOT / "hub"
SPRING, AUTUMN = "descent-spring", "descent-autumn"
PATIENCE = 300.0
ROSTERS = {SPRING: "id\namara\n", AUTUMN: "id;last_name\nBen;Berg\n"}

# In the place of a machine's accounts: names without passwords, one account for all.
TRIED = """\
load_subconfig({config!r})

c.Spawner.args = {root!r}
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_port = {ports[1]}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
for port, service in zip({served}, c.JupyterHub.services, strict=True):
    service["url"] = f"http://127.0.0.1:{{port}}"
    del service["user"]
    service["command"] += {root!r}
    service["environment"] = dict(service["environment"], HOME={homes!r} + "/" + service["name"])
for environment in (c.Spawner.environment, *(s["environment"] for s in c.JupyterHub.services)):
    environment |= {quick!r}
"""


@dataclass
class Browser:
    """Somebody at a browser."""

    url: str
    name: str
    session: requests.Session = field(default_factory=requests.Session)

    def log_in(self) -> Self:
        """Fill in the form."""
        page = self.session.get(f"{self.url}/hub/login", timeout=PATIENCE)
        [xsrf] = set(re.findall(r'name="_xsrf" value="([^"]+)"', page.text))
        form = {"username": self.name, "password": "", "_xsrf": xsrf}
        self.session.post(f"{self.url}/hub/login", data=form, timeout=PATIENCE)
        return self

    def get(self, path: str) -> requests.Response:
        """Open a page, wherever it leads."""
        return self.session.get(self.url + path, timeout=PATIENCE)

    def send(self, method: str, path: str, data: object = None) -> Any:
        """What a script of a page sends; returns what it gets."""
        place = "/".join(path.split("/")[:3]) + "/"
        tokens = {k.path: k.value for k in self.session.cookies if k.name == "_xsrf"}
        headers = {"X-XSRFToken": str(tokens[place]), "Referer": self.url + place}
        headers |= {"Content-Type": "application/json"}
        got = self.session.request(
            method, self.url + path, data=json.dumps(data), headers=headers, timeout=PATIENCE
        )
        assert got.ok, f"{method} {path}: {got.status_code} {got.text[:2000]}"
        return got.json() if got.text else None


@dataclass
class Learner(Browser):
    """Somebody with a server."""

    def ask(self, method: str, path: str, data: object = None) -> Any:
        """Ask the server."""
        return self.send(method, f"/user/{self.name}/{path}", data)

    def run(self, folder: str, cells: list[str]) -> str:
        """Run cells in a kernel; returns all that it shows."""
        kernel = self.ask("POST", "api/kernels", {"name": "python3", "path": folder})
        # In a thread of its own: after a browser's tests Playwright's loop runs in this one.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._run(kernel["id"], cells)).result()

    async def _run(self, kernel: str, cells: list[str]) -> str:
        url = f"{self.url.replace('http', 'ws', 1)}/user/{self.name}/api/kernels/{kernel}/channels"
        page = self.session.prepare_request(requests.Request("GET", url.replace("ws", "http", 1)))
        cookie = str(page.headers["Cookie"])
        request = HTTPRequest(url, headers={"Cookie": cookie, "Origin": self.url})
        socket = await websocket_connect(request)
        shown = []
        for code in cells:
            asked = uuid4().hex
            content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
            header = {"msg_id": asked, "msg_type": "execute_request", "version": "5.3"}
            header |= {"username": self.name, "session": kernel, "date": "2030-01-01T00:00:00Z"}
            message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
            await socket.write_message(json.dumps({**message, "channel": "shell", "buffers": []}))
            while True:
                text = await asyncio.wait_for(socket.read_message(), PATIENCE)
                assert text is not None, "the proxy has closed the connection"
                answer = json.loads(text)
                content = answer["content"]
                if answer["parent_header"].get("msg_id") != asked:
                    continue
                if answer["msg_type"] == "status" and content["execution_state"] == "idle":
                    break
                texts = (
                    content.get("text"),
                    content.get("evalue"),
                    *content.get("data", {}).values(),
                )
                shown += [text for text in texts if text]
        socket.close()
        return "".join(map(str, shown))


def wait(ready: Any) -> None:
    """Until it is so."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if ready():
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not ready after {PATIENCE:.0f} s")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def learners_environment(folder: Path) -> None:
    """What the page's pip makes, of what this environment has: all but the course's own package."""
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "share").symlink_to(Path(sys.prefix) / "share")
    shutil.copytree(Path(sys.prefix) / "etc" / "jupyter", folder / "etc" / "jupyter")
    script = folder / "bin" / "jupyterhub-singleuser"
    script.write_text(f"#!{folder}/bin/python\nfrom jupyterhub.singleuser import main\n\nmain()\n")
    script.chmod(0o755)


@dataclass
class Hub:
    """A hub at work, and its folders."""

    url: str
    folder: Path
    courses: dict[str, Course]


# pip alone takes five minutes where others are at work, too.
BY_PIP = pytest.param("pip", marks=[pytest.mark.full, pytest.mark.timeout(1800)])


@pytest.fixture(scope="module", params=["lent", BY_PIP])
def hub(
    request: pytest.FixtureRequest,
    module_course: Course,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hub]:
    """The page's configuration, with a dummy authenticator and all servers in one account.

    Learners' environment is lent by the tests' own, or made by the page's pip.
    """
    folder = tmp_path_factory.mktemp("hub")
    [settings] = [b.code for b in read_recipe("Say who belongs where") if b.language == "toml"]
    settings = settings.replace("/srv/", f"{folder}/srv/").replace("/opt/", f"{folder}/opt/")
    (folder / "local_hub.toml").write_text(settings)
    said = tomllib.loads(settings)
    Person(folder, folder).follow("Once: the exchange", "You, once", EXCHANGE=said["exchange"])
    courses = {}
    for name in (SPRING, AUTUMN):
        place = Path(said["courses"][name]["folder"])
        shutil.copytree(module_course.folder, place)
        (place / ".venv").symlink_to(sys.prefix)
        (place / "roster.csv").write_text(ROSTERS[name])
        courses[name] = Course(folder / "homes" / name, place)
        courses[name].home.mkdir(parents=True)
        where = {"COURSE": name, "EXCHANGE": said["exchange"]}
        courses[name].follow("A course", "its own settings", **where)
    spring = courses[SPRING]
    spring.run("nbgrader db student import roster.csv; autograder build gradient")
    learners = Path(said["learners"])
    if request.param == "pip":
        shutil.copy(ROOT / "constraints.txt", spring.folder)
        spring.follow("Learners' environment", "to make it", LEARNERS=str(learners))
    else:
        learners_environment(learners)
    Person(folder, ROOT).follow("Learners' environment", "to set it up", LEARNERS=str(learners))
    ports = free_ports(5)
    (folder / "tried.py").write_text(
        TRIED.format(
            config=str(HUB / "jupyterhub_config.py"),
            homes=str(folder / "homes"),
            ports=ports,
            served=ports[3:],
            root=["--allow-root"] if os.getuid() == 0 else [],
            quick={n: os.environ[n] for n in ("OPENBLAS_NUM_THREADS",) if n in os.environ},
        )
    )
    url = f"http://127.0.0.1:{ports[0]}"
    with (folder / "hub.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "tried.py"],
            cwd=folder,
            env=spring.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait(lambda: process.poll() is not None or requests.get(url + "/hub/api/").ok)
            assert process.poll() is None, (folder / "hub.log").read_text()
            yield Hub(url, folder, courses)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
            print((folder / "hub.log").read_text())


def test_who_belongs_where_is_what_the_files_say_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names as the hub writes them, rosters as spreadsheets do."""
    [settings] = [b.code for b in read_recipe("Say who belongs where") if b.language == "toml"]
    (tmp_path / "local_hub.toml").write_text(settings.replace("/srv/", f"{tmp_path}/"))
    rosters = [tmp_path / "courses" / name / "roster.csv" for name in ROSTERS]
    for path, text in zip(rosters, ROSTERS.values(), strict=True):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    config = PyFileConfigLoader(str(HUB / "jupyterhub_config.py")).load_config()
    authenticator = DummyAuthenticator(config=config)

    def groups(name: str) -> list[str]:
        model = config.Authenticator.post_auth_hook(authenticator, None, {"name": name})
        return model["groups"]

    assert groups("amara") == [f"nbgrader-{SPRING}"]
    assert groups("ben") == [f"nbgrader-{AUTUMN}"]
    assert groups("ida") == [f"formgrade-{SPRING}"]
    assert groups("stranger") == []
    rosters[0].write_text("id\nida\nnoor\n")
    assert groups("amara") == [], "who left the roster has left the course"
    assert groups("ida") == [f"formgrade-{SPRING}", f"nbgrader-{SPRING}"]
    rosters[1].write_text("name\nben\n")
    assert groups("ben") == []
    assert groups("noor") == [f"nbgrader-{SPRING}", f"formgrade-{AUTUMN}"]
    os.unlink(rosters[0])
    os.mkfifo(rosters[0])
    assert groups("noor") == [f"formgrade-{AUTUMN}"], "nobody can make the hub wait"
    assert config.ConfigurableHTTPProxy.command[1:] == ["--proxy-timeout", "3600000"]
    opened = {role["name"]: role["scopes"] for role in config.JupyterHub.load_roles}
    assert opened == {
        f"formgrade-{name}": [f"access:services!service={name}"] for name in (SPRING, AUTUMN)
    }


def test_two_courses_on_one_hub(hub: Hub) -> None:
    """A learner fetches, checks and submits; an instructor grades; each course is for its own."""
    ida = Browser(hub.url, "ida").log_in()
    formgrader = f"/services/{SPRING}/formgrader"
    api = f"{formgrader}/api"
    wait(lambda: ida.get(formgrader).ok)
    assert ida.send("POST", f"{api}/assignment/gradient/release")["success"]

    outbound = hub.folder / "srv" / "nbgrader" / "exchange" / SPRING / "outbound" / "gradient"
    [wheel] = outbound.glob("*.whl")
    # What another course has released is there, and nobody's who is not in it.
    shutil.copytree(outbound, outbound.parents[2] / AUTUMN / "outbound" / "gradient")
    learners = hub.folder / "opt" / "learners"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(learners)}))
    if not (packages / "autograder").exists():
        zipfile.ZipFile(wheel).extractall(packages)

    amara = Learner(hub.url, "amara").log_in()
    for path in (formgrader, f"{api}/assignments", f"/services/{SPRING}/lab", "/user/ida/lab"):
        assert amara.get(path).status_code in (403, 404), path
    assert ida.get(f"/services/{AUTUMN}/formgrader").status_code == 403
    wait(lambda: amara.get("/user/amara/lab").url.endswith("/user/amara/lab"))
    assert amara.get("/user/amara/formgrader").status_code == 404, (
        "that of a learner grades nothing"
    )
    assert amara.ask("GET", "courses")["value"] == [SPRING]
    [listed] = amara.ask("GET", f"assignments?course_id={SPRING}")["value"]
    assert (listed["assignment_id"], listed["status"]) == ("gradient", "released")
    order = {"course_id": SPRING, "assignment_id": "gradient"}
    amara.ask("POST", "assignments/fetch", order)

    spring = hub.courses[SPRING]
    path = f"api/contents/{SPRING}/gradient/gradient.ipynb"
    fetched = amara.ask("GET", path)["content"]
    solved = spring.mistaken(gabor="no_scale")
    assert [c["id"] for c in fetched["cells"]] == [c["id"] for c in solved.cells]
    cells = [c.source for c in solved.cells if c.cell_type == "code"]
    shown = amara.run(f"{SPRING}/gradient", [*cells, "import autograder; autograder.__file__"])
    assert str(learners) in shown and str(ROOT) not in shown
    assert "The factor 0.06 before theta[1] is missing." in shown
    assert "numerical_gradient: Correct." in shown
    amara.ask("PUT", path, {"type": "notebook", "format": "json", "content": solved})
    listed = {one["status"]: one for one in amara.ask("POST", "assignments/submit", order)["value"]}
    assert listed["submitted"]["student_id"] == "amara"

    assert ida.send("POST", f"{api}/assignment/gradient/collect")["success"]
    graded = ida.send("POST", f"{api}/submission/gradient/amara/autograde")
    assert graded["success"], graded
    assert spring.score("amara") == 19
    for step in ("generate_feedback", "release_feedback"):
        assert ida.send("POST", f"{api}/assignment/gradient/{step}")["success"]
    amara.ask("POST", "assignments/fetch_feedback", order)
    [page] = (hub.folder / "homes" / "amara" / SPRING / "gradient" / "feedback").rglob("*.html")
    assert "The factor 0.06 before theta[1] is missing." in page.read_text("utf-8")
