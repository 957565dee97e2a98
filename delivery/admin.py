"""Deliveries in the console: which pages there are; what they do is in `delivery.console`."""

from django.contrib import admin

from delivery.console.pages import DeliveryPages, InterventionPages
from delivery.models import Delivery, Intervention

admin.site.register(Delivery, DeliveryPages)
admin.site.register(Intervention, InterventionPages)
