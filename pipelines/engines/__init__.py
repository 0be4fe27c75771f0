"""Engines decide where a plan's shards run. Only these files import ray or apache_beam."""
