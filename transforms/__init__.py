"""Pure functions and model backends. Knows no engine; importing it pulls in no torch."""
