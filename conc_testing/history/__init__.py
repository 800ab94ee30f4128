"""What several tasks did to one object, and whether a model of it allows that."""
