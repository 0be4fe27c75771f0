"""Forced alignment: a transcript's words placed in its audio. One file a backend."""
