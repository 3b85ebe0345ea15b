"""This machine as the night needs it: kept awake, shut down afterwards, able to tell whoever sits before it."""
