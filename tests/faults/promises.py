"""The promises by their numbers. Each trial is a file beside this one."""

from tests.faults import database_away, disk_full, io_errors, killed, power_cut, soak
from tests.faults.promise import Promise

PROMISES = {
    "P1": Promise(
        "the process dies: nothing that was accepted is lost or done twice",
        killed.prove,
        short={"kills": 200, "kills_on_postgresql": 20},
        full={"kills": 1000, "kills_on_postgresql": 100},
        sabotages=("answer-before-commit", "drop-idempotency-key"),
    ),
    "P2": Promise(
        "the power is cut: nothing that was accepted is lost",
        power_cut.prove,
        short={"cuts": 25},
        full={"cuts": 200},
        sabotages=("unsynced-commits", "unsynced-files"),
    ),
    "P3": Promise(
        "a system call fails: nothing is accepted that the disk does not have",
        io_errors.prove,
        short={"tries": 20},
        full={"tries": 1800},
        sabotages=("answer-before-commit",),
    ),
    "P4": Promise(
        "the disk is full: partners are told to come again, and nothing of it is their fault",
        disk_full.prove,
        short={"turns": 4, "room": 1, "no_room": 3},
        full={"turns": 100, "room": 3, "no_room": 5},
        sabotages=("answer-before-commit",),
    ),
    "P5": Promise(
        "the database away: nobody hears yes, and when it is back all goes on",
        database_away.prove,
        short={"stops": 2, "up": 2, "away": 5, "rate": 20},
        full={"stops": 6, "up": 20, "away": 600, "rate": 100},
        sabotages=("answer-before-commit",),
    ),
    "P18": Promise(
        "an hour like the minute before: memory, files, threads and the log do not grow",
        soak.prove,
        short={"rate": 60, "warm_up": 12, "looks": 20, "between": 1, "growth": 8},
        full={"rate": 200, "warm_up": 600, "looks": 300, "between": 10, "growth": 6},
        sabotages=("leak",),
    ),
}
