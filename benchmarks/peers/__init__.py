"""One file a contestant, all of one shape.

``prepare(work)`` makes everything that training needs, as the library's own
documentation does; the function that it gives trains, validates after each epoch, and
returns the last validation loss. Only that function's call is timed.
"""
