"""Training of a language model on token stores."""
