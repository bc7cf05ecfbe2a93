"""The time: UTC everywhere, business dates by the time zone of the vendor's region."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

MARKET_ZONE = ZoneInfo("Asia/Makassar")


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


def business_date(moment: datetime, zone: ZoneInfo = MARKET_ZONE) -> date:
    """The calendar day of `moment` for a business in `zone` (WITA unless the vendor's region says otherwise)."""
    return moment.astimezone(zone).date()
