"""An empty program, whose time every process needs."""
