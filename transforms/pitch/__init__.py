"""Speech to pitch codes. One file a backend."""
