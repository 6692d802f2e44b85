"""The versions of the contract with an ERP that this release keeps. Each has its schemas in docs/reference/contract/released/."""

VERSIONS = ("0.1.0",)
"""Oldest first. One that is taken away is refused to those who were written for it, by its name."""
CURRENT = VERSIONS[-1]
