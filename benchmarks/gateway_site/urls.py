"""The empty view, first, so that finding it costs nothing."""

from django.urls import path
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from raven_admin.urls import urlpatterns as product


class EmptyView(APIView):
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        return Response({})


urlpatterns = [path("empty/", EmptyView.as_view()), *product]
