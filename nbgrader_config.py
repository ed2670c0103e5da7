"""nbgrader's configuration for this course: its folders, and our parts in its lists."""

import sys
from pathlib import Path

from autograder.gradebook.mends import mend

ROOT = Path(__file__).resolve().parent

c = get_config()  # noqa: F821 - traitlets puts it there

# Times, rosters and archives, where nbgrader itself is wrong and has no extension point.
mend()

c.CourseDirectory.root = str(ROOT)

c.CourseDirectory.course_id = "descent"
c.CourseDirectory.source_directory = "grading/source"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "grading/submitted"
c.CourseDirectory.autograded_directory = "grading/autograded"
c.CourseDirectory.feedback_directory = "grading/feedback"
c.CourseDirectory.solution_directory = "grading/solution"
c.CourseDirectory.db_url = f"sqlite:///{ROOT / 'grading' / 'gradebook.db'}"

# Without these generate_assignment would ship a solution that lies beside a notebook. Files of
# other names are shipped and collected: an assignment hands out what it likes, and learners add
# their own.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    ".taken-in",
    "*.pyc",
    "__pycache__",
    ".pytest_cache",
    "feedback",
    "*.whl",
    *sorted(file.name for kind in ("*.py", "*.md") for file in (ROOT / "solutions").glob(kind)),
]

c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Write here.*"

# nbgrader's own list, with one step of ours: an assignment may change after people handed in.
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "nbgrader.preprocessors.ClearSolutions",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "autograder.gradebook.revision.ReviseCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# What a learner hands in is read, repaired, run and judged by our parts; the rest is nbgrader's.
c.Autograde.exporter_class = "autograder.gradebook.preprocessors.SubmissionExporter"
c.Autograde.pre_convert_hook = "autograder.gradebook.preprocessors.adopt_notebook"
c.Autograde.sanitize_preprocessors = [
    "autograder.gradebook.preprocessors.RepairCells",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "autograder.gradebook.preprocessors.RestoreCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.gradebook.preprocessors.GradeSubmission",
    "nbgrader.preprocessors.IgnorePattern",
    "nbgrader.preprocessors.LimitOutput",
    "autograder.gradebook.preprocessors.SaveGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.GenerateFeedback.preprocessors = [
    "autograder.gradebook.sums.GetMarks",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
c.GenerateFeedback.post_convert_hook = "autograder.gradebook.preprocessors.end_round"

# Who fetches a set has the package that it needs.
c.ExchangeFactory.release_assignment = "autograder.release.exchange.ReleaseWithPackage"

# Learners own their folders in the exchange: what a link in there points to is not collected.
c.ExchangeFactory.collect = "autograder.submissions.exchange.PlainCollect"
# Where some handed in another way, the others get their feedback all the same.
c.ExchangeFactory.release_feedback = "autograder.submissions.exchange.ReleaseFeedbackBack"

# Archives that a learning platform sends: whose notebook is whose is told by the names inside.
c.ZipCollectApp.downloaded_directory = "grading/downloaded"
c.ZipCollectApp.extractor_plugin = "autograder.submissions.archives.ArchiveExtractor"
c.ZipCollectApp.collector_plugin = "autograder.submissions.archives.PlatformCollector"

# A learner's HTML runs nothing in the browser of whoever looks at it, in Formgrader or in feedback.
c.HTMLExporter.preprocessors = ["autograder.gradebook.pages.HarmlessPage"]
c.HTMLExporter.filters = {
    "markdown2html": "autograder.gradebook.pages.markdown2html",
    "highlight_code": "autograder.gradebook.pages.Highlighted",
    "ansi2html": "autograder.gradebook.pages.ansi2html",
    "strip_files_prefix": "autograder.gradebook.pages.strip_files_prefix",
    "clean_html": "autograder.gradebook.pages.clean_html",
}
c.HTMLExporter.sanitize_html = True

# nbgrader's own export writes names as they are: a spreadsheet would take `=1+1` for a formula.
c.ExportApp.plugin_class = "autograder.gradebook.export.CsvExport"

# What is yours alone stands in files that git does not know, so that `git pull` meets nothing: a
# plug-in of yours, `late.py` say, and settings. Without these a course is another one, with another
# gradebook, and nbgrader would go on.
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))
try:
    load_subconfig("local_config.py", path=str(ROOT))  # noqa: F821
except Exception as error:
    sys.exit(f"{ROOT / 'local_config.py'}: {type(error).__name__}: {error}")
