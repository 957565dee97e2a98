"""Addresses of the API's documentation."""

from django.urls import path

from platforms.docs import views

app_name = "docs"
urlpatterns = [
    path("", views.index, name="index"),
    path("openapi/", views.list_documents, name="list"),
    path("openapi/<slug:name>.json", views.document, name="document"),
    path("<slug:name>/", views.page, name="page"),
]
