"""A trained model in use: prompts in, text and speech out."""
