"""What a killed process costs: a market of separate processes under load, each killed in turn and started again."""
