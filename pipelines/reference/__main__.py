"""Prints the reference of all keys."""

from pipelines.reference.page import write

print(write(), end="")
