"""Text: verbalisation and subword tokenizers."""
