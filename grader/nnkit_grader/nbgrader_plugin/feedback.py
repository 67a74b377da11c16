"""nbgrader's feedback pages in the learner's language, with the titles of exercises, and readable on a phone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension
from nbconvert.exporters import HTMLExporter
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, List
from traitlets.config import Config

from nnkit.check.notebook.cells import parse_cell
from nnkit.language import current_language, read_notebook_language, say, speaking, to_say
from nnkit_grader.report.exercise_titles import name_exercises

TEMPLATES = Path(__file__).resolve().parent / "templates"

KINDS = (to_say("Test cell"), to_say("Coding free-response"), to_say("Written response"), to_say("Task"))
"""Names of exercises on nbgrader's page."""
PHRASES = (
    *(to_say("Student's answer"), to_say("Student's task"), to_say("Comment"), to_say("Comments:"), to_say("(Top)")),
    to_say("Late submission penalty"),
)
"""The other words of nbgrader's page, apart from scores."""
SCORE = to_say("Score: {score} / {most}")
LOSS = to_say("Score: -{score}")
GRADE_CELL = to_say("Grade cell:")
REPLACEMENTS = {
    r"<html>": '<html lang="{{ language() }}">',
    rf"(?<=>)({'|'.join(KINDS)})(?=</a>)": r'{{ (cell.metadata.nbgrader.title or say("\1")) | e }}',
    rf"{GRADE_CELL} (?=<code>)": f'{{{{ (cell.metadata.nbgrader.title or say("{GRADE_CELL}")) | e }}}} ',
    rf"(?<=>)({'|'.join(map(re.escape, PHRASES))})(?=[ <])": r'{{ say("\1") }}',
    r"Score: \{\{ ([^{}]*) \}\} / \{\{ ([^{}]*) \}\}": rf'{{{{ say("{SCORE}", score=\1, most=\2) }}}}',
    r"Score: -\{\{ ([^{}]*) \}\}": rf'{{{{ say("{LOSS}", score=\1) }}}}',
}
"""Pattern in the text of nbgrader's template → what stands there."""


class NameExercises(NbGraderPreprocessor):  # type: ignore[misc]
    """Preprocessor that gives each graded cell the title of its exercise: the last heading above it."""

    display_data_priority: Any = List(help="Not used; the HTML exporter sets it for all preprocessors.").tag(
        config=True
    )

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Add the titles to a notebook; called by nbconvert."""
        for named in name_exercises([parse_cell(cell) for cell in nb.cells]):
            nb.cells[named.exercise.cell].metadata.nbgrader["title"] = named.title
        return nb, resources


class TranslatedFrame(Extension):
    """Jinja extension that has a template look its sentences up, and show the titles of exercises."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(say=say, language=current_language)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the text of a template with sentences that are looked up; called by Jinja."""
        for pattern, shown in REPLACEMENTS.items():
            source = re.sub(pattern, shown, source)
        return source


class TranslatedExporter(HTMLExporter):
    """nbconvert's exporter of web pages, with `TranslatedFrame`."""

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()  # type: ignore[no-untyped-call]
        environment.add_extension(TranslatedFrame)
        return environment


class TitledFeedback(GenerateFeedback):  # type: ignore[misc]
    """nbgrader's feedback in the language of the graded notebook, with titles, if `through_nnkit` is set.

    A course may still choose another template.
    """

    through_nnkit: Any = Bool(False, help="Show the titles of exercises, in the learner's language.").tag(config=True)

    def __init__(self, coursedir: Any = None, **kwargs: Any) -> None:
        super().__init__(coursedir=coursedir, **kwargs)
        if self.through_nnkit:
            settings, config = self.config.HTMLExporter, Config()
            folders = settings.extra_template_basedirs
            config.HTMLExporter.extra_template_basedirs = [str(TEMPLATES), *folders]  # the first `feedback` is ours
            config.HTMLExporter.extra_template_paths = [*folders, *settings.extra_template_paths]  # it extends theirs
            # In the configuration: Formgrader changes it later on, and then all traits are read from it again.
            config.TitledFeedback.preprocessors = [*self.preprocessors, NameExercises]
            config.TitledFeedback.exporter_class = TranslatedExporter
            self.update_config(config)

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Write the page on a graded notebook, in its language; called by nbgrader."""
        with speaking(_read_language(Path(notebook_filename))):
            super().convert_single_notebook(notebook_filename)


def _read_language(notebook: Path) -> str:
    return read_notebook_language(json.loads(notebook.read_text(encoding="utf-8")).get("metadata", {}))
