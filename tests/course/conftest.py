"""marimo writes a configuration into the home folder: here it is a temporary one."""

import pytest

HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@pytest.fixture(autouse=True, scope="session")
def home_of_marimo(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        for name in HOMES:
            patch.setenv(name, str(home))
        patch.delenv("GRADATIM_COURSE", raising=False)
        yield home
