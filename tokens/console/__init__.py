"""The token pages of the console: what they show, in words; `tokens/admin.py` has the views."""
