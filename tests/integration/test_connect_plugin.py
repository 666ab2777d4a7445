import zipfile

import pytest

from connect import jars, plugin
from stack import java
from stack.layout import cache_folder


@pytest.fixture
def cache(tmp_path):
    """An empty cache, but for the jars that were fetched."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("lib", "plugins"):
        (cache / name).symlink_to(cache_folder() / name)
    return cache


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Sources of our own, in place of the product's."""
    folder = tmp_path / "java"
    folder.mkdir()
    monkeypatch.setattr(plugin, "SOURCES", folder)
    return folder


def test_plugin_is_debezium_and_our_classes_in_one_folder(cache):
    plugin.build(java.find(), cache)

    folder = plugin.home(cache) / "plugins" / "debezium"
    names = {path.name for path in folder.iterdir() if path.exists()}
    wanted = {jar.coordinates.file_name for jar in jars.listed() if jar.set_name == jars.PLUGIN_SET}
    assert names == wanted | {"neverlost.jar"}
    with zipfile.ZipFile(folder / "neverlost.jar") as jar:
        assert jar.read(plugin.SERVICE).decode().split() == [plugin.CONNECTOR]
        assert {"neverlost/OutboxConnector.class", "neverlost/OutboxTask.class"} < set(jar.namelist())


def test_what_is_built_is_not_built_again(cache):
    plugin.build(java.find(), cache)

    plugin.build("no java needed", cache)


def test_other_sources_are_another_plugin(cache, sources):
    (sources / "One.java").write_text("public class One {}")
    first = plugin.home(cache)
    (sources / "One.java").write_text("public class One { int field; }")

    assert plugin.home(cache) != first


def test_what_does_not_compile_is_told_and_leaves_nothing(cache, sources):
    (sources / "One.java").write_text("public class One extends Nobody {}")

    with pytest.raises(plugin.PluginError, match="Nobody"):
        plugin.build(java.find(), cache)

    assert {path.name for path in cache.iterdir()} == {"lib", "plugins"}
