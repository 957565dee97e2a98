"""From a stored connection to what a client needs of it: the one place where a credential is read."""

from platforms.contract import Target
from platforms.encryption import unseal
from platforms.models import Connection


def target_of(connection: Connection) -> Target:
    """Raises SecretUnreadable."""
    return Target(
        base_url=connection.base_url,
        credential=unseal(connection.sealed_credential),
        settings={key: str(value) for key, value in connection.settings.items()},
    )
