"""Every error this project raises on purpose.

    ReasonError                 exit code
    ├── UsageError              2    the caller's mistake: a flag, a key, a spec, a directory
    ├── BudgetReached           3    a limit of the run was met (resumable)
    ├── EngineError             4    a model or its server failed (resumable)
    │   ├── TransientEngineError     worth another attempt: overload, reset, time-out
    │   └── TerminalEngineError      no attempt can help: quota, key, unknown model
    ├── StorageError            4    the journal cannot be written or read (resumable)
    ├── TaskError               4    the code of a plug-in task failed (resumable once mended)
    ├── NoConvergence           5    a step spent its votes undecided (resumable)
    └── Interrupted             130  Ctrl-C or SIGTERM (resumable)

An error's text is one line for a person: what happened, where, and how to mend it. Red flags
are not here: a flagged answer is data to a voter, see :class:`tasks.base.RedFlag`.
This module imports nothing, so every layer may import it.
"""


class ReasonError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns for it."""

    exit_code = 1
    status = "error"


class UsageError(ReasonError):
    """The request cannot be carried out as written."""

    exit_code = 2
    status = "usage_error"


class BudgetReached(ReasonError):
    """A token, money or time budget of the run is spent."""

    exit_code = 3
    status = "budget"


class EngineError(ReasonError):
    """A model gave no answer."""

    exit_code = 4
    status = "engine_error"


class TransientEngineError(EngineError):
    """A fault that may pass.

    ``retry_after`` is the server's wish in seconds, if it had one; ``throttled`` says that the
    server wants fewer requests.
    """

    def __init__(
        self, message: str, retry_after: float | None = None, *, throttled: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after, self.throttled = retry_after, throttled


class TerminalEngineError(EngineError):
    """A fault that another attempt would only meet again."""


class StorageError(ReasonError):
    """The run directory or its journal failed; what was committed stays committed."""

    exit_code = 4
    status = "engine_error"


class TaskError(ReasonError):
    """A plug-in's task failed in its own code; what was committed stays committed."""

    exit_code = 4
    status = "engine_error"


class NoConvergence(ReasonError):
    """A step used its votes without a decision and the policy is to stop."""

    exit_code = 5
    status = "no_convergence"


class Interrupted(ReasonError):
    """The user or the system asked the run to stop."""

    exit_code = 130
    status = "interrupted"
