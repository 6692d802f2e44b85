"""The promises by their numbers. Each trial is a file beside this one."""

from tests.faults import as2_duplicates, bad_answers, bit_rot, database_away, erp_away, kept_order, nobody_starves, one_answer, poison
from tests.faults.promise import Promise

PROMISES = {
    "P5": Promise(
        "the database away: nobody hears yes, and when it is back all goes on",
        database_away.prove,
        short={"stops": 2, "up": 2, "away": 5, "rate": 20},
        full={"stops": 6, "up": 20, "away": 600, "rate": 100},
        sabotages=("answer-before-commit",),
    ),
    "P7": Promise(
        "every kind of bad answer of the ERP: each event takes effect once, refusals are laid aside, no answer costs more than its bounds",
        bad_answers.prove,
        short={"each": 4, "patience": 1},
        full={"each": 1000, "patience": 2},
        sabotages=("drop-idempotency-key", "retry-after-unheard", "refusals-repeated", "answers-read-whole"),
    ),
    "P9": Promise(
        "what a partner says of a shipment reaches the ERP in order, others are not held up by it, and a late status overwrites nothing",
        kept_order.prove,
        short={"partners": 8, "shipments": 8, "steps": 12},
        full={"partners": 100, "shipments": 25, "steps": 40},
        sabotages=("lanes-of-single-events", "last-word-stands"),
    ),
    "P19": Promise(
        "one bit of a stored payload turns over: noticed before anything is handed on, laid aside, and somebody is told",
        bit_rot.prove,
        short={"flips": 6},
        full={"flips": 143},
        sabotages=("checksums-not-looked-at",),
    ),
    "P13": Promise(
        "every interchange gets exactly one answer, whatever is wrong with it",
        one_answer.prove,
        short={"files": 120, "altered": 120},
        full={"files": 5_000, "altered": 10_000},
        sabotages=("some-997s-forgotten", "rejected-without-ta1"),
    ),
    "P21": Promise(
        "one partner floods at fifty times: the others wait as if it were not there, and it gets what it may have",
        nobody_starves.prove,
        short={"rounds": 1, "flood": 400, "quota": 60},
        full={"rounds": 20, "flood": 1000, "quota": 1000},
        sabotages=("turns-without-end", "workers-first-come"),
    ),
    "P22": Promise(
        "documents that crash, hang or bloat a worker: parked after three losses, and everything else goes on",
        poison.prove,
        short={"kinds": 2, "scale": 1},
        full={"kinds": 100, "scale": 10},
        sabotages=("losses-not-counted",),
    ),
    "P6": Promise(
        "the ERP away for a day: nothing dies or is dropped, it is asked twice a minute at most, and then all of it comes in order",
        erp_away.prove,
        short={"hours": 24, "backlog": 1_600},
        full={"hours": 24, "backlog": 1_000_000},
        sabotages=("outages-count", "breaker-stays-closed"),
    ),
    "P8": Promise(
        "the same AS2 message a hundred times: one effect, one receipt byte for byte; other content under its id is refused",
        as2_duplicates.prove,
        short={"nodes": 2, "messages": 2, "copies": 100},
        full={"nodes": 3, "messages": 50, "copies": 100},
        sabotages=("as2-ids-forgotten",),
    ),
}
