"""What tests look for in pages and answers."""

import re

from tokens.secrets import Secret, parse_secret


def find_secret(text: str) -> Secret | None:
    """The first whole, correctly spelled token that stands anywhere in `text`."""
    return next(filter(None, map(parse_secret, re.findall(r"rv[nt]_\w{62}", text))), None)
