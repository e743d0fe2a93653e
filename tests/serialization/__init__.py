"""Tests of the serializers."""

from __future__ import annotations
