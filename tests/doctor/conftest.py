"""The programs are run by their test, not collected as tests."""

collect_ignore_glob = ["programs/*"]


def pytest_collection_modifyitems(items):
    """Let the tests of a program follow each other, so that it is watched once."""
    first = {}

    def place(numbered):
        number, item = numbered
        if item.path.name != "test_programs.py" or not hasattr(item, "callspec"):
            return number
        return first.setdefault(item.callspec.params["path"], number)

    items[:] = [item for _, item in sorted(enumerate(items), key=place)]
