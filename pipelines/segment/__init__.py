"""Long recordings with their transcripts, cut into segments that a corpus job takes."""
