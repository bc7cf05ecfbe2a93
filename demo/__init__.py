"""The demo market: producers of the JPS Gemilang III list and their goods, built from data files and a seed."""
