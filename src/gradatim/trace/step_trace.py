"""The class ``StepTrace``: what was seen of a step, and the methods for users."""

from pathlib import Path

from gradatim.store.output import write_output
from gradatim.trace.html import fragment, whole_page
from gradatim.trace.sections import sections_of
from gradatim.trace.text import as_text
from gradatim.trace.trace_data import StepData

__all__ = ["StepTrace"]


class StepTrace(StepData):
    """One update, seen whole; made by :func:`trace_step`.

    ``print(trace)`` shows it as text, a notebook shows it as HTML.
    """

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<StepTrace of {self.model}: loss {self.loss:.4g}>"

    def text(self) -> str:
        """Give all sections as text; long tables lose their middle."""
        return as_text(sections_of(self))

    def html(self) -> str:
        """Give all sections as a page of HTML, which needs no network."""
        return whole_page(sections_of(self))

    def save(self, path: str | Path) -> Path:
        """Write :meth:`html` to a file such as ``step.html``, and give its path.

        A file of that name is replaced.

        Raises:
            DiskError: The file cannot be written; one that was there stays.
        """
        path = Path(path)
        write_output(path, self.html())
        return path

    def _repr_html_(self) -> str:
        return fragment(sections_of(self))
