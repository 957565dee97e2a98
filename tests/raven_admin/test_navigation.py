"""The sidebar says where one is, on every page."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import User, Workspace
from tests.console.conftest import make_persona

pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser(admin_user: User) -> Client:
    User.objects.filter(pk=admin_user.pk).update(is_superuser=True)
    client = Client()
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def places(page: Any) -> list[str]:
    """The labels of the places where `page` is said to be."""
    assert page.status_code == 200
    return [str(place.label) for section in page.context["navigation"] for place in section.places if place.is_current]


def test_list_of_every_model_is_at_one_place(superuser: Client) -> None:
    found = {}
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        found[name] = places(superuser.get(reverse(name)))

    assert {name: at for name, at in found.items() if len(at) != 1} == {}


def test_preview_of_a_person_is_at_the_personas(superuser: Client, workspace: Workspace) -> None:
    rina = make_persona(workspace, "Rina", "+6281200000101")

    of_her = superuser.post(reverse("admin:platforms_person_preview", args=[rina.pk]), {"name": "Rina H."})
    of_new = superuser.post(reverse("admin:platforms_new_person_preview"), {"name": "Budi"})

    assert places(of_her) == places(of_new) == ["Personas"]
