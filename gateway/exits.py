"""Exit codes of the commands (sysexits)."""

GOOD = 0
FAILED = 1
USAGE = 2
BAD_DATA = 65
SERVICE_MISSING = 69
SETTINGS = 78
