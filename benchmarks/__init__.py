"""Commands that measure; each prints one table whose sides were measured in turn, in the same run."""
