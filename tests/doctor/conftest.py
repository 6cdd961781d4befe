"""The programs are run by their test, not collected as tests."""

collect_ignore_glob = ["programs/*"]
