"""Failures: what a log and an exit code mean, and what could be tried instead. Knows options and the signs of
trouble; neither projects nor the queue."""
