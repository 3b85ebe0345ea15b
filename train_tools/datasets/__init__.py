"""A version's pictures: taken in as originals, prepared for training, read as what a run would train on."""
