"""What `evalkit view` does before it serves, and how it ends."""

import logging
import socket
import sys
from pathlib import Path

import pytest

from evalkit.errors import ConfigError
from evalkit.view.serve import serve

pytest.importorskip("starlette", reason="needs the extra `view`")
pytest.importorskip("uvicorn", reason="needs the extra `view`")


def refuse(address):
    pytest.fail(f"listens at {address}")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="there is no folder") as error:
        serve(tmp_path / "nothing", 0, refuse)
    assert "evalkit view DIR" in error.value.remedy


def test_a_port_that_is_taken(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match=r"cannot be had: Address already in use$") as error,
    ):
        serve(tmp_path, taken.getsockname()[1], refuse)
    assert "--port" in error.value.remedy


@pytest.mark.parametrize("package", ["uvicorn", "starlette.applications"])
def test_without_the_extra_it_says_how_to_get_it(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "evalkit.view.app", raising=False)
    with pytest.raises(ConfigError, match="not installed") as error:
        serve(tmp_path, 0, refuse)
    assert error.value.remedy == "pip install 'evalkit-cli[view]'"


def test_it_listens_to_this_machine_alone(tmp_path, monkeypatch):
    served = []

    class Server:
        def __init__(self, config):
            self.config = config

        def run(self, sockets):
            served.append((self.config, sockets[0].getsockname()))

    monkeypatch.setattr("uvicorn.Server", Server)
    addresses = []
    serve(Path(tmp_path), 0, addresses.append)
    serve(Path(tmp_path), 0, addresses.append)
    (config, place), _ = served
    assert place[0] == "127.0.0.1"
    assert addresses[0].startswith(f"http://127.0.0.1:{place[1]}/?token=")
    tokens = {address.partition("token=")[2] for address in addresses}
    assert len(tokens) == 2
    assert all(len(token) >= 40 for token in tokens)
    assert not config.proxy_headers
    assert config.log_level == logging.CRITICAL
