"""Projects and their versions as folders on disk: kept, listed, moved, copied. Knows no pictures and no jobs."""
