"""What memory a run takes: reckoned beforehand from its options and its base model's header, or measured by trying
a few of its steps. Knows trainers by what they load and keep, not how they are told to."""
