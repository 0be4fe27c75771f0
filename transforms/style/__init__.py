"""Speech to style codes. One file a backend."""
