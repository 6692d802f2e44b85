"""The promises of Crossdock's, each as a trial that tries to break it: `python -m tests.faults P5`, or all of them by `make faults`.

To add one: a file with an `async def prove(trial, proof)`, a line in `promises.py`, and at least one sabotage that it must notice.
"""
