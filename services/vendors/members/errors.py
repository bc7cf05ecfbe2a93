"""What may keep a membership from changing."""

from ishop.errors import Conflict


class LastOwner(Conflict):
    """409: the vendor would be left without an owner, who alone manages its members."""

    code = "last_owner"
    sentence = {
        "id": "Harus ada paling sedikit satu pemilik; angkat yang lain dahulu.",
        "en": "There must be at least one owner; give somebody else that role first.",
    }
