"""Networks of LyCORIS: which layers they change and how, with which tensors, and how large that is."""
