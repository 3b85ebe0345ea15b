"""The file that the queue's rows lie in: how it is opened and brought up to date, and the order of what waits."""
