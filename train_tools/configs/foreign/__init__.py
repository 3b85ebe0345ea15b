"""How other programs write their settings, one module each: a rule for every key that means something."""
