"""Warnings of adapters reach caplog."""

import logging

import pytest


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog):
    caplog.set_level(logging.WARNING)
