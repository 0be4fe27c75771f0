"""The reference of all keys of the YAML files that a user writes, made from their sections."""
