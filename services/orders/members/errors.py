"""What may keep a membership from changing."""

from ishop.errors import Conflict


class LastApprover(Conflict):
    """409: the organization would be left without an approver, who alone manages its members."""

    code = "last_approver"
    sentence = {
        "id": "Harus ada paling sedikit satu penyetuju; angkat yang lain dahulu.",
        "en": "There must be at least one approver; give somebody else that role first.",
    }
