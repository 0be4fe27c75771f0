"""Speech to units codes. One file a backend."""
