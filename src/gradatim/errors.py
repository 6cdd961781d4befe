"""Every error of gradatim, in one small tree.

Each is also the built-in that fits, so that ``except ValueError`` goes on working::

    GradatimError
    ├── ShapeMismatchError  ValueError          predictions and targets do not pair up
    ├── LossError           ValueError          no scalar, or without a graph
    ├── GraphError          ValueError          a tensor has no graph to look at
    ├── NonFiniteLossError  FloatingPointError  the loss is NaN or infinite
    ├── OptimizerError      ValueError          it does not hold the model's parameters
    ├── ConfigError         ValueError          an argument out of its range
    ├── DataError           ValueError          rows or values that cannot be used
    │   ├── FileReadError   ValueError          a data file that breaks its own format
    │   └── SchemaError     ValueError          data that differ from the frozen schema
    └── RunError            RuntimeError        a run folder missing or unreadable
        ├── DamagedError    RuntimeError        a file is not what was written
        ├── ResumeError     RuntimeError        what goes on is not what was begun
        ├── RunLockedError  RuntimeError        another process writes to the run
        └── DiskError       OSError             a save failed: full, read-only, ...

A message says what happened (with values), why it matters and what to do.
"""

__all__ = [
    "ConfigError",
    "DamagedError",
    "DataError",
    "DiskError",
    "FileReadError",
    "GradatimError",
    "GradatimWarning",
    "GraphError",
    "LossError",
    "NonFiniteLossError",
    "OptimizerError",
    "ResumeError",
    "RunError",
    "RunLockedError",
    "SchemaError",
    "ShapeMismatchError",
]


class GradatimError(Exception):
    """The root: catch it to catch everything that gradatim raises on purpose."""


class ShapeMismatchError(GradatimError, ValueError):
    """Predictions and targets have shapes that the loss would pair wrongly."""


class LossError(GradatimError, ValueError):
    """A loss that ``backward`` cannot start from."""


class GraphError(GradatimError, ValueError):
    """A tensor that no graph of autograd lies behind."""


class NonFiniteLossError(GradatimError, FloatingPointError):
    """A loss that is NaN or infinite."""


class OptimizerError(GradatimError, ValueError):
    """An optimizer that would not train this model."""


class ConfigError(GradatimError, ValueError):
    """An argument or option outside what is possible."""


class DataError(GradatimError, ValueError):
    """Rows, columns or values that cannot be trained on."""


class FileReadError(DataError):
    """A data file that is missing, empty or breaks its own format."""


class SchemaError(DataError):
    """Data that does not fit the schema frozen at training."""


class RunError(GradatimError, RuntimeError):
    """A run folder that is missing, incomplete or of an unknown version."""


class DamagedError(RunError):
    """A file of a run that is missing, cut or changed since it was written."""


class ResumeError(RunError):
    """Data, configuration or model that differ from those the run began with."""


class RunLockedError(RunError):
    """A run folder that another process is writing to."""


class DiskError(RunError, OSError):
    """A save that the disk did not take."""


class GradatimWarning(UserWarning):
    """Something that goes on, but probably not as meant."""
