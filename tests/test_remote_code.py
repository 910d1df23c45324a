"""Saving with code leaves no trace on classes and configs."""

from grefel_hf import GReFELImageProcessor
from grefel_hf.remote_code import save_with_code


def test_a_plain_save_after_it_copies_no_code(tiny_model, tmp_path):
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    save_with_code(tiny_model, processor, tmp_path / "with-code")
    assert (tmp_path / "with-code" / "modeling_grefel.py").exists()
    tiny_model.save_pretrained(tmp_path / "plain")
    processor.save_pretrained(tmp_path / "plain")
    assert not list((tmp_path / "plain").glob("*.py"))
    assert "auto_map" not in (tmp_path / "plain" / "config.json").read_text()
