"""The public names, which come when they are asked for."""

import pytest

import grefel_hf


def test_every_public_name_is_there():
    for name in grefel_hf.__all__:
        assert getattr(grefel_hf, name) is not None and name in dir(grefel_hf)
    with pytest.raises(AttributeError, match="'grefel_hf' has no attribute 'FacePredictor'"):
        grefel_hf.FacePredictor  # noqa: B018
