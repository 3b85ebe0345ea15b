"""Images as files: which there are, how large they are, at which size each is trained."""
