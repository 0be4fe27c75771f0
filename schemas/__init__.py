"""Records, shard manifests and the vocabulary layout: what every layer agrees on."""
