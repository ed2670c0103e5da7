"""Other people's notebooks: nbgrader's `Execute`, with a sandboxed session in a kernel's place.

Their marks come from ordinary assert cells, by nbgrader's own rule. The sandbox keeps such a
notebook from this machine and from other submissions. It cannot keep it from its own test cells,
which run in the learner's own process: `label` says so.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Collection
from dataclasses import replace
from logging import Logger
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode, from_dict
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade, is_solution

from autograder.engine.files import Files
from autograder.engine.interface import CellResult, Limits, NoSandbox, Session
from autograder.engine.warm.handle import default_runner, require_sandbox
from autograder.grading.clean import harmless
from autograder.i18n import _
from autograder.release.notebook import METADATA

UNPROTECTED = "autograder_unprotected"
REMARK = _(
    "Unprotected marks: ordinary assert cells run in the learner's own process, which can fool "
    "them."
)


class SandboxedExecute(Execute):
    """nbgrader's `Execute`, whose settings it takes, for notebooks in Python.

    As there: errors are outputs, a cell that takes longer than `timeout` is interrupted and
    `error_on_timeout` is its error, a kernel that is not installed fails the submission. A kernel
    in another language runs as in nbgrader, without walls, where no sandbox is required.

    Otherwise than there: a cell that ends Python costs itself alone and not the submission; without
    a `timeout` a cell may take as long as `limits` gives the notebook; there are the other limits,
    and no programs can be started unless these allow it; of the files that the notebook changes,
    the new ones alone are kept, and no notebooks; of what a cell shows, nothing is kept that a
    browser would run. There are no messages that could be late, nor
    arguments for a kernel: `iopub_timeout` and `extra_arguments` have no meaning here.

    limits: what a submission may use up. named: the limits that somebody has chosen; the seconds
    among the others follow `timeout`.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        named: Collection[str] = (),
        walled_in: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._limits = limits or Limits()
        self._named = named
        self._walled_in = walled_in

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Execute the cells of a notebook.

        Raises
        ------
        NoSuchKernel; NoSandbox where one is required and cannot be had; CellExecutionError where
        `force_raise_errors` asks for it; CellTimeoutError without `interrupt_on_timeout`.
        """
        self.nb = nb
        spec = self.create_kernel_manager().kernel_spec
        if spec.language.lower() != "python":
            return self._in_a_kernel(spec, nb, resources)
        self._warn_of_other_python(spec)
        runner = default_runner()
        if self._walled_in:
            require_sandbox(runner)
        self.log.info("%s", runner.protects)
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        with runner.open(folder, self._limits_for(nb)) as session:
            for cell in nb.cells:
                self._execute(session, cell)
            self._keep(folder, session.written())
        nb.metadata["language_info"] = from_dict(METADATA["language_info"])
        nb.metadata["language_info"]["version"] = platform.python_version()
        return nb, resources

    def _in_a_kernel(
        self, spec: KernelSpec, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        what = _("{kernel} is for {language}, and only Python runs in the sandbox").format(
            kernel=self.kernel_name, language=spec.language
        )
        if self._walled_in:
            raise NoSandbox(
                _(
                    "the kernel {what}. Say --no-require-sandbox where you trust every submission: "
                    "it then runs with your own rights."
                ).format(what=what)
            )
        self.log.warning(_("The kernel %s: this notebook runs with your own rights."), what)
        return super().preprocess(nb, resources)

    def _warn_of_other_python(self, spec: KernelSpec) -> None:
        program = spec.argv[0] if spec.argv else ""
        other = os.path.isabs(program) and Path(program).parent != Path(sys.executable).parent
        if other:
            self.log.warning(
                _("The kernel %s is of %s; in the sandbox its notebooks run with %s."),
                *(self.kernel_name, program, sys.executable),
            )

    def _limits_for(self, nb: NotebookNode) -> Limits:
        """So long that every cell may take its time, unless somebody has said how long."""
        limits = self._limits
        timeouts = [self._get_timeout(cell) for cell in nb.cells if cell.cell_type == "code"]
        whole = max(limits.notebook_seconds, sum(t or limits.notebook_seconds for t in timeouts))
        seconds: dict[str, Any] = {
            "cell_seconds": max((t or whole for t in timeouts), default=limits.cell_seconds),
            "notebook_seconds": whole,
            "cpu_seconds": max(limits.cpu_seconds, whole),
        }
        return replace(limits, **{k: v for k, v in seconds.items() if k not in self._named})

    def _execute(self, session: Session, cell: NotebookNode) -> None:
        if cell.cell_type != "code" or not cell.source.strip():
            return
        if self.skip_cells_with_tag in cell.metadata.get("tags", []):
            return
        result = session.execute(cell.source)
        cell.execution_count = result.execution_count
        if result.status == "timeout":
            self._time_out(cell, result)
        cell.outputs = harmless([from_dict(output) for output in result.outputs])
        if self.force_raise_errors and result.status != "ok":
            error = next(o for o in result.outputs if o["output_type"] == "error")
            raise CellExecutionError.from_cell_and_msg(cell, error)

    def _time_out(self, cell: NotebookNode, result: CellResult) -> None:
        self.log.error("%s", result.reason)
        if not self.interrupt_on_timeout:
            raise CellTimeoutError.error_from_timeout_and_cell(
                result.reason, self._get_timeout(cell) or 0, cell
            )
        if self.error_on_timeout:
            said, error = result.outputs[-1], self.error_on_timeout
            said["ename"], said["evalue"] = error.get("ename", ""), error.get("evalue", "")
            said["traceback"] = [*said["traceback"], *error.get("traceback", [])]

    def _keep(self, folder: Path, files: Files) -> None:
        """Put new files beside the notebook, as if it had run there; nothing that Python keeps for
        itself."""
        for name, data in files:
            where = PurePosixPath(name)
            if "__pycache__" in where.parts:
                continue
            if where.is_absolute() or ".." in where.parts or where.suffix == ".ipynb":
                self.log.warning(_("Not kept, as written by a submission: %r"), name)
                continue
            try:
                (folder / where).parent.mkdir(parents=True, exist_ok=True)
                with (folder / where).open("xb") as file:
                    file.write(data)
            except OSError as error:
                self.log.warning(_("Not kept, as written by a submission: %r (%s)"), name, error)


def label(nb: NotebookNode, log: Logger) -> None:
    """Say in the log and in a notebook's metadata that its marks are not protected. Learners are
    not told: neither reaches the feedback page."""
    tests = [cell for cell in nb.cells if is_grade(cell) and not is_solution(cell)]
    if any(cell.cell_type == "code" for cell in tests):
        nb.metadata[UNPROTECTED] = REMARK
        log.warning("%s", REMARK)
