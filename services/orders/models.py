"""All tables of this service, so that the migrations see them."""

from services.orders.invitations.models import OrganizationInvitation
from services.orders.lifecycle.models import Order, OrderLine, Refund, Transition, VendorOrder
from services.orders.organizations.models import Organization, OrganizationMember
from services.orders.payments.models import Payment
from services.orders.placement.models import ShippingRate, ShippingZone, TaxRate

__all__ = [
    "Order",
    "OrderLine",
    "Organization",
    "OrganizationInvitation",
    "OrganizationMember",
    "Payment",
    "Refund",
    "ShippingRate",
    "ShippingZone",
    "TaxRate",
    "Transition",
    "VendorOrder",
]
