"""gradatim: train PyTorch models step by step.

The names of the first hour. They are loaded when first used, so that
``gradatim --help`` does not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradatim import data
    from gradatim.averages import EMA, SWA
    from gradatim.callbacks import EarlyStopping, Freeze, LRScheduler, StepValues
    from gradatim.doctor import Doctor, check, watch
    from gradatim.graphs.build import graph
    from gradatim.graphs.graph import Graph
    from gradatim.graphs.record import Recorded, record
    from gradatim.history import History
    from gradatim.hooks import Callback
    from gradatim.loading import Predictor, load
    from gradatim.loggers import Log
    from gradatim.lr_range import LRRange, lr_range_test
    from gradatim.run.run import Run
    from gradatim.step import TrainStep, make_train_step
    from gradatim.tables.saved.fit_data import Fitted, fit
    from gradatim.trace import StepTrace, trace_step
    from gradatim.trainer import Trainer
    from gradatim.val_step import ValStep, make_val_step

__version__ = "0.1.0"

_HOME = {
    name: f"gradatim.{home}"
    for home, names in {
        "averages": ("EMA", "SWA"),
        "callbacks": ("EarlyStopping", "Freeze", "LRScheduler", "StepValues"),
        "doctor": ("Doctor", "check", "watch"),
        "graphs": ("Graph", "Recorded", "graph", "record"),
        "history": ("History",),
        "hooks": ("Callback",),
        "loading": ("Predictor", "load"),
        "loggers": ("Log",),
        "lr_range": ("LRRange", "lr_range_test"),
        "run.run": ("Run",),
        "step": ("TrainStep", "make_train_step"),
        "tables.saved.fit_data": ("Fitted", "fit"),
        "trace": ("StepTrace", "trace_step"),
        "trainer": ("Trainer",),
        "val_step": ("ValStep", "make_val_step"),
    }.items()
    for name in names
}

__all__ = [
    "EMA",
    "SWA",
    "Callback",
    "Doctor",
    "EarlyStopping",
    "Fitted",
    "Freeze",
    "Graph",
    "History",
    "LRRange",
    "LRScheduler",
    "Log",
    "Predictor",
    "Recorded",
    "Run",
    "StepTrace",
    "StepValues",
    "TrainStep",
    "Trainer",
    "ValStep",
    "check",
    "data",
    "fit",
    "graph",
    "load",
    "lr_range_test",
    "make_train_step",
    "make_val_step",
    "record",
    "trace_step",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "data":
        return importlib.import_module("gradatim.data")
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gradatim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
