"""One file a suite, its reader beside it; `pipelines.evaluate.registry` lists them."""
