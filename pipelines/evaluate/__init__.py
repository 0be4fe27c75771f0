"""Measures of tokens, voices and models."""
