"""All tables of this service, so that the migrations see them."""

from services.vendors.directory.models import Certificate, Cohort, Vendor, VendorMember
from services.vendors.invitations.models import VendorInvitation
from services.vendors.stock.models import Reservation, Stock, StockMovement

__all__ = [
    "Certificate",
    "Cohort",
    "Reservation",
    "Stock",
    "StockMovement",
    "Vendor",
    "VendorInvitation",
    "VendorMember",
]
