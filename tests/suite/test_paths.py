from __future__ import annotations

from evalkit.suite.paths import beside


def test_detours_are_left_out(tmp_path):
    (tmp_path / "evals").mkdir()
    (tmp_path / "p.yaml").touch()
    assert beside(tmp_path / "evals", "../p.yaml") == tmp_path / "p.yaml"
    assert beside(tmp_path / "evals", "../missing/./x") == tmp_path / "missing" / "x"
    assert beside(tmp_path, str(tmp_path / "p.yaml")) == tmp_path / "p.yaml"


def test_a_detour_through_a_link_is_kept(tmp_path):
    (tmp_path / "real" / "evals").mkdir(parents=True)
    (tmp_path / "real" / "p.yaml").touch()
    (tmp_path / "evals").symlink_to(tmp_path / "real" / "evals")
    assert beside(tmp_path / "evals", "../p.yaml") == tmp_path / "evals" / ".." / "p.yaml"
