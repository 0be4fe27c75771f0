"""Fitting of tokenizers and vocoders from a corpus."""
