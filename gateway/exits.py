"""Exit codes of the commands (sysexits)."""

GOOD = 0
FAILED = 1
USAGE = 2
BAD_DATA = 65
SERVICE_MISSING = 69
TRY_AGAIN = 75
SETTINGS = 78
INTERRUPTED = 130
