"""Log lines in which no token stands, whoever wrote it there: addresses, headers and traces may all carry one."""

import logging

from tokens.secrets import mask_tokens


class MaskingFormatter(logging.Formatter):
    """Formats a record, its trace included, with everything of a token's shape masked."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_tokens(super().format(record))
