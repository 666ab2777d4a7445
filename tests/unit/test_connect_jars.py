import hashlib

import pytest

from connect import downloads, jars

GOOD = hashlib.sha256(b"jar").hexdigest()


def jar(sha256=GOOD, set_name="broker"):
    return jars.Jar(set_name, downloads.Coordinates("g", "a", "1"), sha256)


def test_list_has_five_sets_and_every_jar_a_sum():
    listed = jars.listed()

    assert {each.set_name for each in listed} == {"agent", "broker", "connect", "debezium", "compiler"}
    assert all(len(each.sha256) == 64 for each in listed)


def test_one_file_never_stands_for_two_jars(tmp_path):
    sums = {}

    for each in jars.listed():
        assert sums.setdefault(each.path(tmp_path), (each.coordinates, each.sha256)) == (
            each.coordinates,
            each.sha256,
        )


def test_class_path_never_holds_two_versions_of_one_artifact():
    for set_name in ("broker", "connect"):
        names = [
            (each.coordinates.group, each.coordinates.artifact)
            for each in jars.listed()
            if each.set_name == set_name
        ]

        assert len(names) == len(set(names))


def test_plugin_holds_nothing_that_connect_provides():
    artifacts = {each.coordinates.artifact for each in jars.listed() if each.set_name == "debezium"}

    assert not artifacts & {"connect-api", "kafka-clients", "slf4j-api", "jackson-databind"}


def test_plugin_jars_lie_in_a_folder_of_their_own(tmp_path):
    assert jar(set_name="debezium").path(tmp_path) == tmp_path / "plugins" / "debezium" / "a-1.jar"
    assert "debezium" not in jars.class_path(tmp_path, "connect")


def test_wrong_sum_is_refused_and_the_file_deleted(tmp_path):
    download = tmp_path / "download"
    download.write_bytes(b"something else")

    with pytest.raises(jars.JarError, match="g:a:1"):
        jars.adopt(download, jar(), tmp_path / "lib" / "a-1.jar")

    assert list(tmp_path.iterdir()) == []


def test_right_sum_is_adopted(tmp_path):
    download = tmp_path / "download"
    download.write_bytes(b"jar")

    jars.adopt(download, jar(), tmp_path / "lib" / "a-1.jar")

    assert (tmp_path / "lib" / "a-1.jar").read_bytes() == b"jar"
    assert not download.exists()


def test_full_cache_is_left_alone(tmp_path):
    for each in jars.listed():
        path = each.path(tmp_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    jars.fetch(tmp_path, lambda *_: pytest.fail("nothing is to be downloaded"))


def test_maven_output_tells_what_came_and_what_failed():
    came = []

    errors = downloads.follow(
        [
            "[INFO] Downloading from central: somewhere/a-1.jar",
            "[INFO] Downloaded from central: somewhere/a-1.jar (2 kB at 5 kB/s)",
            "[INFO] Downloaded from central: somewhere/maven-plugin-1.jar (2 kB at 5 kB/s)",
            "[ERROR] Failed to execute goal",
        ],
        {"a-1.jar"},
        came.append,
    )

    assert came == ["a-1.jar"]
    assert errors == ["Failed to execute goal"]
