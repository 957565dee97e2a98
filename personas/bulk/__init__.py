"""One thing done to many people at once: an attribute set, likely duplicates merged, people deleted."""
