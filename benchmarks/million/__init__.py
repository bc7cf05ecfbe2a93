"""Whether a market of a million products and orders answers as one of ten thousand does."""
