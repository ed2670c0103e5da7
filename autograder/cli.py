"""The command line: `autograder COMMAND`; `autograder COMMAND --help` teaches each."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import __version__

if TYPE_CHECKING:
    from autograder.project import Project

Command = Callable[[argparse.Namespace], int]

# What takes longer to import than all else, for nothing that is asked for here: jsonschema's
# grammars of addresses and durations, which no notebook's schema has, and jupytext's part of a
# Jupyter server. Both do without where there is none.
UNUSED = (
    "rfc3987_syntax",
    "isoduration",
    "jupytext.sync_contentsmanager",
    "jupytext.async_contentsmanager",
)

# Options of `autograde` with which no submission is run on this machine.
NOTHING_RUNS_HERE = ("-h", "--help", "--generate-config", "--version", "--scheduler")


# As of a program that SIGPIPE ended.
NOBODY_READS = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Expected errors are told in a sentence."""
    try:
        try:
            return _main(argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough. What is left would be written, and fail, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS


def _main(argv: Sequence[str] | None) -> int:
    from autograder.engine.interface import NoCluster, NoSandbox
    from autograder.exercise import AuthorError
    from autograder.grading import Stopped
    from autograder.project import NoProject

    # A judge beside another one has a processor, and not all of them for each small product.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    for module in UNUSED:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        if given[:1] == ["autograde"]:
            if not any(word.startswith(NOTHING_RUNS_HERE) for word in given):
                from autograder.engine.warm.handle import start_early

                start_early()
            from autograder.classes.app import main as autograde

            # nbgrader's own options, which argparse could only repeat.
            return autograde(given[1:])
        arguments = _parser().parse_args(given)
        return int(arguments.run(arguments))
    except (AuthorError, NoCluster, NoProject, NoSandbox, Stopped, FileNotFoundError) as error:
        print(f"autograder: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        from autograder.release.trouble import of_the_disk

        if not (told := of_the_disk(error)):
            raise
        print(f"autograder: {told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "autograder: stopped. What was finished stays: start again to go on.", file=sys.stderr
        )
        return 130
    except Exception as error:
        # Whoever has a gradebook open has imported what speaks to databases.
        if "sqlalchemy" not in sys.modules:
            raise
        from autograder.release.trouble import trouble

        if not (told := trouble(error)):
            raise
        print(f"autograder: {told}", file=sys.stderr)
        return 2


def _count(text: str) -> int:
    """A number of things of which there is one at least."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _renaming(text: str) -> tuple[str, str]:
    """An old name and a new one."""
    old, _equals, new = text.partition("=")
    if not (old and new):
        raise argparse.ArgumentTypeError(f"{text!r} should read OLD=NEW")
    return old, new


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autograder",
        description="Build, check and grade the exercise sets of this course.",
        epilog="Run it in the course's folder. A set is a file solutions/<set>.py.",
    )
    parser.add_argument("--version", action="version", version=f"autograder {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Command, text: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            epilog=f"example:\n  autograder {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    sub = command(
        "build",
        _build,
        "Make exercises/ from solutions/.\n\nWrites the instructor's notebook into "
        "grading/source and, through nbgrader's\ngenerate_assignment, what learners open into "
        "exercises/. The same sources give the\nsame bytes. A set may change when people have "
        "handed in: the gradebook is brought\nalong, marks and comments of what stays are kept, "
        "and you are told what changes\nfor whom.",
        "build gradient",
    )
    sub.add_argument("sets", nargs="*", metavar="SET", help="which sets; all where none is named")
    sub.add_argument("--no-db", action="store_true", help="leave the gradebook alone")
    sub.add_argument(
        "--renamed",
        action="append",
        type=_renaming,
        default=[],
        metavar="OLD=NEW",
        help="an exercise that has another name than it had: its marks stay (repeatable)",
    )
    sub.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if exercises/ is out of step"
    )

    sub = command(
        "lint",
        _lint,
        "Prove that hidden checks tell right from wrong.\n\nEvery reference gets full marks, every "
        "known mistake loses points and is told by\nits own name, and what learners are sent can "
        "be made.",
        "lint gradient --seeds 100",
    )
    sub.add_argument("sets", nargs="*", metavar="SET", help="which sets; all where none is named")
    sub.add_argument("--seeds", type=int, default=5, metavar="N", help="how many seeds (5)")

    sub = command(
        "bundle",
        _bundle,
        "Write the zip that a learner downloads, for each released set.\n\nWhich sets are released "
        "is decided by released_sets in pyproject.toml.",
        "bundle dist",
    )
    sub.add_argument("folder", type=Path, help="where the zips go")

    commands.add_parser("autograde", help="Grade the submissions of a class, in the sandbox.")

    sub = command(
        "grade-notebook",
        _grade_notebook,
        "Grade notebooks or .py files without touching the gradebook.\n\nSeveral paths give one "
        "JSON object a line. Without --seed the cases come from a\nfresh one, which is printed: "
        "with it the same marks can be had again.",
        "grade-notebook answers.ipynb --assignment gradient --json",
    )
    sub.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    sub.add_argument("--assignment", required=True, metavar="SET")
    sub.add_argument("--json", action="store_true", help="print JSON instead of text")
    sub.add_argument("--seed", type=int, metavar="N", help="make the hidden cases from this seed")
    _sandbox_option(sub)

    sub = command(
        "regrade",
        _regrade,
        "Grade again with the seed that was recorded with each mark.\n\nFor a mended case or "
        "mistake: lists every mark that changed. Manual marks stay.",
        "regrade gradient",
    )
    sub.add_argument("assignment", metavar="SET")
    sub.add_argument("--student", action="append", metavar="ID", help="only this one (repeatable)")
    _sandbox_option(sub)

    sub = command(
        "sample-class",
        _sample_class,
        "Make up a class: right, mistaken and broken submissions.\n\nThey go to "
        "grading/submitted, the marks that each must get to grading/expected.",
        "sample-class --students 30 --seed 1",
    )
    sub.add_argument("--students", type=_count, default=30, metavar="N", help="how many (30)")
    sub.add_argument("--seed", type=int, default=1, metavar="S", help="which class (1)")
    sub.add_argument("--set", action="append", dest="sets", metavar="SET", help="which sets (all)")

    sub = command(
        "feedback",
        _feedback,
        "Write the feedback pages of a class with nbgrader.\n\nThey go to grading/feedback. From "
        "then on the next grading uses new hidden cases.\n\nWith --archive the pages go into a zip "
        "too, with the names that a learning\nplatform gave to the submissions: it takes them so.",
        "feedback gradient --archive feedback.zip",
    )
    sub.add_argument("assignment", metavar="SET")
    sub.add_argument("--student", action="append", metavar="ID", help="only this one (repeatable)")
    sub.add_argument("--archive", type=Path, metavar="FILE", help="a zip for a learning platform")

    sub = command(
        "export",
        _export,
        "Write marks as a CSV file, in the form that somebody wants.\n\n"
        "  moodle     a row a learner, a column a set, for Moodle's grade import\n"
        "  canvas     the same for Canvas\n"
        "  questions  a row a learner, a column a question\n"
        "  mistakes   a row an answer: its verdict and the mistake's name\n\n"
        "Marks by hand count, and what being late costs is taken off. Who handed nothing in has\n"
        "an empty cell, which a platform leaves as it is. `nbgrader export` has nbgrader's table.",
        "export questions gradient sgd --anonymous --to questions.csv",
    )
    sub.add_argument("kind", choices=("moodle", "canvas", "questions", "mistakes"))
    sub.add_argument("assignments", nargs="*", metavar="SET", help="which; all that were handed in")
    sub.add_argument("--to", type=Path, metavar="FILE", help="where it goes (KIND.csv)")
    sub.add_argument(
        "--anonymous", action="store_true", help="numbers in place of learners, others each time"
    )

    sub = command(
        "extend",
        _extend,
        "Let one learner hand in later than the others.\n\n"
        "What was granted before is replaced; no option takes it back. A late penalty that was\n"
        "taken already is worked out again.",
        "extend gradient amara --days 3",
    )
    sub.add_argument("assignment", metavar="SET")
    sub.add_argument("student", metavar="ID")
    sub.add_argument("--days", type=float, default=0.0, metavar="N", help="so many days later")
    sub.add_argument("--hours", type=float, default=0.0, metavar="N", help="so many hours later")

    sub = command(
        "award",
        _award,
        "Give the points of a question to everybody who handed in.\n\n"
        "For a question that was at fault. It is a mark by hand, which grading again leaves as it\n"
        "is; whoever hands in later needs the command again.",
        "award gradient gabor",
    )
    sub.add_argument("assignment", metavar="SET")
    sub.add_argument("question", metavar="QUESTION", help="a function, or a step as Tensor.add")
    sub.add_argument("--student", action="append", metavar="ID", help="only this one (repeatable)")
    sub.add_argument("--points", type=float, metavar="P", help="so many (all of the question's)")
    sub.add_argument("--undo", action="store_true", help="let the automatic marks count again")

    sub = command(
        "draft-mistake",
        _draft_mistake,
        "Write a mistake that several learners made into solutions/.\n\n"
        "The report lists wrong answers that are the same and have no name: function and number\n"
        "are from there. The draft is one learner's code; its text and hint are yours to write.\n"
        "Without a number the clusters are listed.",
        "draft-mistake gradient gabor 1 degrees_for_radians",
    )
    sub.add_argument("assignment", metavar="SET")
    sub.add_argument("function", metavar="FUNCTION", nargs="?")
    sub.add_argument("number", metavar="NUMBER", nargs="?", type=_count)
    sub.add_argument("name", metavar="NAME", nargs="?", help="what the mistake is called")

    sub = command(
        "remove-learner",
        _remove_learner,
        "Take a learner out of the gradebook and of all folders.\n\n"
        "Their files go to grading/removed, where nothing reads them; with --erase they are\n"
        "deleted. Archives in grading/downloaded, the exchange and backups are yours to clear.",
        "remove-learner amara --erase",
    )
    sub.add_argument("student", metavar="ID")
    sub.add_argument("--erase", action="store_true", help="delete their files")

    sub = command(
        "report",
        _report,
        "Write the class report: one HTML page.\n\nScores, success rates, the class's mistakes by "
        "name, who is stuck where.",
        "report gradient",
    )
    sub.add_argument("assignment", metavar="SET")
    sub.add_argument(
        "-o", "--to", type=Path, metavar="FILE", help="where it goes (grading/reports/SET.html)"
    )
    return parser


def _sandbox_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require-sandbox",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="refuse where submissions cannot be walled in: the default; for `regrade` "
        "c.GradeSubmission.require_sandbox in local_config.py can change it",
    )


def _busy(text: str) -> AbstractContextManager[Any]:
    """A sign of life on standard error while something takes seconds."""
    from rich.console import Console

    return Console(stderr=True).status(text)


def _build(arguments: argparse.Namespace) -> int:
    from rich.progress import track

    from autograder.exercise import AuthorError
    from autograder.project import find_project
    from autograder.release.build import build, out_of_step

    project = find_project()
    if arguments.renamed and len(arguments.sets) != 1:
        raise AuthorError("--renamed is of one set: name it.")
    if arguments.check:
        with _busy("Building a second time, to compare"):
            stale = out_of_step(project, arguments.sets)
        if stale:
            print("exercises/ is out of step with solutions/; run `autograder build`:")
            print("\n".join(f"  {name}" for name in stale))
            return 1
        print("exercises/ is in step with solutions/.")
        return 0
    for name in track(arguments.sets or project.sets, "Building", transient=True):
        renamed = dict(arguments.renamed)
        for folder in build(project, [name], database=not arguments.no_db, renamed=renamed):
            print(f"built {folder.relative_to(project.root)}")
    return 0


def _lint(arguments: argparse.Namespace) -> int:
    from rich.progress import Progress

    from autograder.judging.sets import find_set
    from autograder.project import find_project
    from autograder.release.lint import lint

    project = find_project()
    seeds = [f"lint-{i}" for i in range(arguments.seeds)]
    complaints = []
    with Progress(transient=True) as progress:
        for name in arguments.sets or project.sets:
            exercise_set = find_set(name, project)
            task = progress.add_task(name, total=len(exercise_set.parts))
            complaints += lint(exercise_set, seeds, tick=partial(progress.advance, task))
    for complaint in complaints:
        print(complaint)
    if not complaints:
        print(f"nothing to mend; {arguments.seeds} seeds tried.")
    return 1 if complaints else 0


def _bundle(arguments: argparse.Namespace) -> int:
    from autograder.release.bundle import write_bundles

    with _busy("Building the wheel and the archives"):
        paths = write_bundles(arguments.folder)
    for path in paths:
        print(f"wrote {path}")
    return 0


def _grade_notebook(arguments: argparse.Namespace) -> int:
    absent = [str(path) for path in arguments.paths if not path.is_file()]
    if absent:
        raise FileNotFoundError(f"no file {', '.join(absent)}.")
    from autograder.engine.warm.handle import require_sandbox, start_early

    runner = start_early()
    from rich.console import Console
    from rich.progress import track

    from autograder.grading.grade import grade
    from autograder.grading.rounds import new_seed
    from autograder.judging.sets import find_set
    from autograder.judging.show import report_lines
    from autograder.project import find_project
    from autograder.submissions.former import read_former
    from autograder.submissions.read import read_submission
    from autograder.submissions.support import lies_alone, own_files, support_files

    project = find_project()
    if arguments.assignment not in project.sets and _is_known(project, arguments.assignment):
        return _grade_others(arguments, project)
    exercise_set = find_set(arguments.assignment, project)
    former = read_former(project, exercise_set.name)
    seed = new_seed() if arguments.seed is None else str(arguments.seed)
    if arguments.require_sandbox is not False:
        require_sandbox(runner)
    # Standard output is for the marks alone: the rest goes where people look.
    console = Console(stderr=True, highlight=False)
    console.print(runner.protects)
    alone = len(arguments.paths) == 1
    of_scripts: set[str] = set()
    for path in track(arguments.paths, console=console, disable=alone, transient=True):
        submission = read_submission(path)
        submission.problems += former.follow(submission.notebook.cells, exercise_set)
        released = project.exercises / exercise_set.name
        shared = not lies_alone(path, arguments.paths)
        beside = (released, path.parent, submission.notebook)
        submission.problems += own_files(*beside, shared=shared)[1]
        with support_files(*beside, shared=shared) as files:
            graded = grade(submission, exercise_set, seed, runner, files=files)
        if arguments.json:
            line = {"file": str(path), **graded.to_json()}
            print(json.dumps(line, ensure_ascii=False), flush=True)
        else:
            print(f"{path}: {graded.points:g} of {graded.max_points:g} points, seed {seed}")
            print("\n".join(report_lines(graded.verdicts.values())), flush=True)
        for text in graded.problems:
            if path.suffix == ".py":
                # No such file has any checks in it: said once for all of them.
                if text in of_scripts:
                    continue
                of_scripts.add(text)
            console.print(f"{path}: {text}", markup=False)
    return 0


def _is_known(project: Project, assignment: str) -> bool:
    """Whether an assignment that is no set of ours was made here."""
    from autograder.release.configuration import course_config, place_of

    return (place_of("source", course_config(project.root)) / assignment).is_dir()


def _grade_others(arguments: argparse.Namespace, project: Project) -> int:
    """By nbgrader's own rule, which knows no hidden cases."""
    from autograder.classes.single import grade_other
    from autograder.exercise import AuthorError
    from autograder.grading.grade import PUBLISHED
    from autograder.judging.show import report_lines
    from autograder.submissions.support import lies_alone

    name = arguments.assignment
    if arguments.seed is not None:
        raise AuthorError(
            f"{name} is no set of this course: it has no hidden cases, and no --seed."
        )
    for path in arguments.paths:
        verdicts = grade_other(
            project,
            name,
            path,
            walled_in=arguments.require_sandbox,
            shared=not lies_alone(path, arguments.paths),
        )
        points = sum(verdict.points for verdict in verdicts.values())
        most = sum(verdict.max_points for verdict in verdicts.values())
        if arguments.json:
            told = {
                test: {key: getattr(verdict, key) for key in PUBLISHED}
                for test, verdict in verdicts.items()
            }
            line = {"file": str(path), "assignment": name, "seed": None, "points": points}
            print(json.dumps({**line, "max_points": most, "functions": told}, ensure_ascii=False))
        else:
            print(f"{path}: {points:g} of {most:g} points")
            print("\n".join(report_lines(verdicts.values())), flush=True)
    return 0


def _regrade(arguments: argparse.Namespace) -> int:
    from autograder.classes.regrade import regrade
    from autograder.project import find_project

    changes = regrade(
        find_project(),
        arguments.assignment,
        arguments.student,
        walled_in=arguments.require_sandbox,
        say=print,
    )
    for change in changes:
        print(change)
    print(f"{len(changes)} marks changed.")
    return 0


def _sample_class(arguments: argparse.Namespace) -> int:
    from autograder.project import find_project
    from autograder.sample.people import make_class

    project = find_project()
    names = arguments.sets or project.sets
    with _busy("Making up the class"):
        written = make_class(project, names, arguments.students, arguments.seed)
    print(f"{len(written)} submissions in {project.grading / 'submitted'};")
    print(f"the marks that they must get in {project.grading / 'expected'}.")
    return 0


def _feedback(arguments: argparse.Namespace) -> int:
    from autograder.classes.run import feedback_class
    from autograder.project import find_project

    written, failed = feedback_class(find_project(), arguments.assignment, arguments.student)
    print(f"{written} feedback pages in {find_project().grading / 'feedback'}.")
    for student, why in failed.items():
        print(f"no page for {student}: {why}")
    if arguments.archive is not None:
        from autograder.submissions.replies import write_replies

        count, others = write_replies(find_project(), arguments.assignment, arguments.archive)
        print(f"{count} of them in {arguments.archive}.")
        if others:
            print(f"not in it, since no archive brought their work: {', '.join(others)}")
    return 1 if failed else 0


def _export(arguments: argparse.Namespace) -> int:
    from autograder.gradebook.tables import write_table
    from autograder.project import find_project

    to = arguments.to or Path(f"{arguments.kind}.csv")
    remarks = write_table(
        find_project(),
        arguments.kind,
        arguments.assignments,
        to,
        anonymous=arguments.anonymous,
    )
    for remark in remarks:
        print(remark, file=sys.stderr)
    print(f"wrote {to}")
    return 0


def _extend(arguments: argparse.Namespace) -> int:
    import datetime

    from autograder.gradebook.concessions import extend
    from autograder.project import find_project

    more = datetime.timedelta(days=arguments.days, hours=arguments.hours)
    print(extend(find_project(), arguments.assignment, arguments.student, more))
    return 0


def _award(arguments: argparse.Namespace) -> int:
    from autograder.gradebook.concessions import award
    from autograder.project import find_project

    given = award(
        find_project(),
        arguments.assignment,
        arguments.question,
        arguments.student or (),
        points=arguments.points,
        undo=arguments.undo,
    )
    for student, points in given.items():
        print(f"{student} {arguments.question}: {points:g}")
    return 0


def _draft_mistake(arguments: argparse.Namespace) -> int:
    from autograder.classes.clusters import draft, find_clusters
    from autograder.classes.run import bar
    from autograder.exercise import AuthorError
    from autograder.judging.sets import find_set
    from autograder.project import find_project

    project = find_project()
    found = find_clusters(project, arguments.assignment, progress=bar)
    if arguments.name is None:
        for cluster in found:
            print(f"{cluster.part} {cluster.number}: {', '.join(cluster.students)}")
        print(f"{len(found)} mistakes without a name that two learners or more made.")
        return 0
    wanted = arguments.function, arguments.number
    chosen = [cluster for cluster in found if (cluster.part, cluster.number) == wanted]
    if not chosen:
        told = ", ".join(f"{cluster.part} {cluster.number}" for cluster in found) or "none"
        raise AuthorError(f"no cluster {arguments.function} {arguments.number}; there are {told}.")
    part = find_set(arguments.assignment, project).part(arguments.function)
    print(draft(project, arguments.assignment, part, chosen[0], arguments.name))
    name = arguments.assignment
    print(
        f"\nNow at the end of solutions/{name}.py. Write its text and its hint, then "
        f"`autograder lint {name}`, `autograder build {name}` and `autograder regrade {name}`."
    )
    return 0


def _remove_learner(arguments: argparse.Namespace) -> int:
    from autograder.gradebook.learners import remove_learner
    from autograder.project import find_project

    for line in remove_learner(find_project(), arguments.student, erase=arguments.erase):
        print(line)
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from autograder.classes.report import write_report
    from autograder.project import find_project

    project = find_project()
    predicted = project.grading / "expected" / f"{arguments.assignment}.json"
    expected = predicted if predicted.is_file() else None
    with _busy("Writing the report"):
        path = write_report(project, arguments.assignment, expected=expected, to=arguments.to)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
