"""nbgrader's feedback pages, with the titles of exercises in place of "Test cell", and readable on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, List
from traitlets.config import Config

from nnkit.check.notebook.cells import parse_cell
from nnkit_grader.report.exercise_titles import name_exercises

TEMPLATES = Path(__file__).resolve().parent / "templates"


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


class TitledFeedback(GenerateFeedback):  # type: ignore[misc]
    """nbgrader's feedback, with titles if `through_nnkit` is set. A course may still choose another template."""

    through_nnkit: Any = Bool(False, help="Show the titles of exercises.").tag(config=True)

    def __init__(self, coursedir: Any = None, **kwargs: Any) -> None:
        super().__init__(coursedir=coursedir, **kwargs)
        if self.through_nnkit:
            settings, config = self.config.HTMLExporter, Config()
            folders = settings.extra_template_basedirs
            config.HTMLExporter.extra_template_basedirs = [str(TEMPLATES), *folders]  # the first `feedback` is ours
            config.HTMLExporter.extra_template_paths = [*folders, *settings.extra_template_paths]  # it extends theirs
            # In the configuration: Formgrader changes it later on, and then all traits are read from it again.
            config.TitledFeedback.preprocessors = [*self.preprocessors, NameExercises]
            self.update_config(config)
