"""Bytes that earlier forms of bandsaw have stored, and what they are read as."""
