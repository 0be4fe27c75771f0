"""Speech tokens back to audio. One file a backend."""
