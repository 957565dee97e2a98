"""The monitor: what left, waits or was refused, and what people do about it; `delivery/admin.py` has the pages."""
