"""Measured speed: every figure beside a baseline of the same run."""
