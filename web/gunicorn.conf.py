"""How each service's HTTP process is run."""

from runtime.environment import Environment
from web.app import THREADS

_environment = Environment()
_host, _port = _environment.bind("HTTP_BIND")
_environment.check()

bind = f"{_host}:{_port}"
worker_class = "gthread"
workers = 1
threads = THREADS
timeout = 30
graceful_timeout = 10
keepalive = 30
control_socket_disable = True  # two services of one user would share its path
limit_request_line = 4094
limit_request_fields = 50
accesslog = None
loglevel = "warning"
