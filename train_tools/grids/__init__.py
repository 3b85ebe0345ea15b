"""From what the user typed to the runs it means: grid expressions, run specs, and what a plan would cost."""
