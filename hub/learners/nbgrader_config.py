"""nbgrader on a learner's server: it lies in `etc/jupyter/` of the learners' environment."""

import os

c = get_config()  # noqa: F821 - traitlets puts it there

c.Exchange.root = os.environ["EXCHANGE"]
# Two courses may both hand out a `gradient`: each has a folder of its own in a learner's home.
c.Exchange.path_includes_course = True
# Which courses somebody is in is asked of the hub.
c.Authenticator.plugin_class = "nbgrader.auth.jupyterhub.JupyterHubAuthPlugin"
# Where all servers run in one account, its name is nobody's.
c.CourseDirectory.student_id = os.environ["JUPYTERHUB_USER"]
