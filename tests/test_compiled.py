"""Where compiled programs are kept."""

import jax
import pytest

from jser import compiled


@pytest.fixture(autouse=True)
def as_it_was():
    place = jax.config.jax_compilation_cache_dir
    seconds = jax.config.jax_persistent_cache_min_compile_time_secs
    yield
    jax.config.update("jax_compilation_cache_dir", place)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)


def test_beside_the_records(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    compiled.keep(tmp_path)
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "cache" / "xla")
    assert jax.config.jax_persistent_cache_min_compile_time_secs == compiled.SHORTEST_SECONDS


def test_where_the_user_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "shared"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "shared"))
    compiled.keep(tmp_path)
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "shared")
    assert jax.config.jax_persistent_cache_min_compile_time_secs == compiled.SHORTEST_SECONDS
