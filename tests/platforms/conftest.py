"""What tests of several dialects share."""

from tests.platforms.raven.conftest import sender as sender
