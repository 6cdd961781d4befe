"""What draws HTML and SVG for graphs, traces and the course.

A page of gradatim is one file that can be mailed, kept, and opened without a network.
So charts are written here as SVG text, and what moves is a short script in the page; no
library is loaded. Colours have a middle brightness and text has the colour of the page,
so that one picture is good on light and on dark.

Its parts, in the order to read them:

- ``page`` (with ``page.css``): the shell of a page, and how texts of others are put
  into it.
- ``charts``: axes with points, lines and bars.
- ``boxes``: rows and outlines of boxes.
- ``html_tables``: tables, and text as it was printed.
- ``player`` (with ``player.js`` and ``player.css``): pictures that move from frame to
  frame.

What they must never do: load anything (:data:`gradatim.pages.page.POLICY` makes the
browser refuse it), or write a text of others that is not
:func:`gradatim.pages.page.escaped`.
"""
