"""JupyterHub for several courses: `jupyterhub -f hub/jupyterhub_config.py`.

Which courses there are stands in `local_hub.toml`, in the folder where the hub is started;
book/hub.md says what goes into it. Nothing here changes for another course, learner or instructor.

A course is a service of its own, JupyterLab with Formgrader, which runs in the course's folder and
in the account that grades it. Who may open it is decided by the hub, when somebody logs in.
"""

import tomllib
from pathlib import Path

from autograder.gradebook.roster import read_roster

SETTINGS = tomllib.loads(Path("local_hub.toml").read_text("utf-8"))
COURSES = {
    name: {**course, "folder": Path(course["folder"])}
    for name, course in SETTINGS["courses"].items()
}
FIRST_PORT = 9101

c = get_config()  # noqa: F821 - traitlets puts it there


def groups_of(user, normal, log):
    """The groups of a user. normal: a name as the hub writes it.

    nbgrader reads from their names whose course it is: `formgrade-` and `nbgrader-`.
    """
    groups = []
    for name, course in COURSES.items():
        if user in map(normal, course["instructors"]):
            groups.append(f"formgrade-{name}")
        roster = course["folder"] / "roster.csv"
        if not roster.is_file():
            continue
        try:
            learners = {normal(row["id"]) for row in read_roster(roster)}
        except (OSError, ValueError) as error:
            log.error("Nobody is a learner of %s: %s", name, error)
            continue
        if user in learners:
            groups.append(f"nbgrader-{name}")
    return groups


def put_into_groups(authenticator, _handler, someone):
    """Who logs in is in the groups that the files say today, and in no others."""
    normal = authenticator.normalize_username
    someone["groups"] = groups_of(someone["name"], normal, authenticator.log)
    return someone


# A list of groups would only ever add somebody: whoever grades no more would go on to.
c.Authenticator.manage_groups = True
c.Authenticator.post_auth_hook = put_into_groups
# Whoever can log in has a server; what they see on it is decided by their groups.
c.Authenticator.allow_all = True

c.JupyterHub.services = [
    {
        "name": name,
        "url": f"http://127.0.0.1:{port}",
        "user": course["account"],
        "cwd": str(course["folder"]),
        "command": [str(course["folder"] / ".venv" / "bin" / "jupyterhub-singleuser")],
        # nbgrader calls alembic by its bare name.
        "environment": {"PATH": f"{course['folder']}/.venv/bin:/usr/local/bin:/usr/bin:/bin"},
        "oauth_no_confirm": True,
    }
    for port, (name, course) in enumerate(COURSES.items(), FIRST_PORT)
]
c.JupyterHub.load_roles = [
    *(
        {
            "name": f"formgrade-{name}",
            "groups": [f"formgrade-{name}"],
            "scopes": [f"access:services!service={name}"],
        }
        for name in COURSES
    ),
    # What a server does by itself, and nbgrader's question: which courses is my owner in?
    {
        "name": "server",
        "scopes": ["users:activity!user", "access:servers!server", "read:users:groups!user"],
    },
]

# One click in Formgrader may grade for minutes: the proxy in Python gives up after 20 seconds.
c.ConfigurableHTTPProxy.command = ["configurable-http-proxy", "--proxy-timeout", "3600000"]

# Learners' servers have an environment of their own, where the course's solutions are not.
LEARNERS = Path(SETTINGS["learners"])
c.Spawner.cmd = [str(LEARNERS / "bin" / "jupyterhub-singleuser")]
c.Spawner.default_url = "/lab"
# The first is read by the nbgrader_config.py that lies beside this environment.
c.Spawner.environment = {
    "EXCHANGE": SETTINGS["exchange"],
    "PATH": f"{LEARNERS}/bin:/usr/local/bin:/usr/bin:/bin",
}
