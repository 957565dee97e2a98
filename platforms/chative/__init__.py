"""Chative: the public contacts API of Chative.IO, which our server speaks at /chative/v1.0/ (see README.md)."""
