#!/bin/sh
# Run a command in a container, with each X_PASSWORD read from the file that X_PASSWORD_FILE names:
# the worker's files ask for variables, and a secret does not belong in a container's settings.
set -eu

for variable in $(env | sed -n 's/^\([A-Z_]*_PASSWORD\)_FILE=.*/\1/p'); do
    eval "file=\$${variable}_FILE"
    value=$(cat "$file")
    export "$variable=$value"
done
exec "$@"
