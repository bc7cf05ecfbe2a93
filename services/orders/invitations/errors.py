"""What may keep an invitation from being made."""

from ishop.errors import Conflict


class TooManyInvitations(Conflict):
    """409: a limited number of invitations may be open."""

    code = "too_many_invitations"
    sentence = {
        "id": "Paling banyak {limit} undangan terbuka; tarik yang tidak perlu.",
        "en": "At most {limit} invitations may be open; take back those not needed.",
    }
