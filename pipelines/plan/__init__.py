"""`plait plan`: what a corpus job would take, without running it."""
