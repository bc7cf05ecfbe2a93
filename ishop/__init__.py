"""The kernel of i-Shop, which all services share."""

__version__ = "0.1.0"
