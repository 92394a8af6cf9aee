"""How a command says that it cannot: each error carries the exit code it ends with."""

OK = 0
CHECK_FAILED = 1
WRONG_USE = 2
UNAVAILABLE = 69
TOO_OLD = 78


class CommandError(Exception):
    """The command ends with one line on stderr and its class's exit code."""

    exit_code = CHECK_FAILED


class MisuseError(CommandError):
    """What was asked for makes no sense, whatever the machine's state."""

    exit_code = WRONG_USE


class UnavailableError(CommandError):
    """A part that is needed is not there: a port, a folder, a lock, a server."""

    exit_code = UNAVAILABLE


class TooOldError(CommandError):
    """This version may not run on a database that a newer one migrated."""

    exit_code = TOO_OLD
