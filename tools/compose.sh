#!/bin/sh
# Builds the image and starts all services of deploy/compose, and waits until they are healthy.
#
#     tools/compose.sh            build, start, and say where everything is
#     tools/compose.sh build      build the image alone
#     tools/compose.sh down       stop everything; the volumes stay
#
# Takes docker, or podman if there is no docker; ENGINE names one. Ends with 3 if neither can be used,
# else as the engine does. Passwords are made once, into deploy/compose/.env.
set -eu
cd "$(dirname "$0")/../deploy/compose"

usable() {
    command -v "$1" >/dev/null 2>&1 && "$1" info >/dev/null 2>&1
}

engine=${ENGINE:-}
if [ -z "$engine" ]; then
    for one in docker podman; do
        if usable "$one"; then engine=$one && break; fi
    done
    if [ -z "$engine" ]; then
        echo "compose.sh: no engine runs here: start docker (docker info has to work), or install podman" >&2
        exit 3
    fi
elif ! usable "$engine"; then
    echo "compose.sh: '$engine info' fails, so it cannot build or run anything here" >&2
    exit 3
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' ../../pyproject.toml)
export IMAGE_TAG="$version"

build() {
    # shellcheck disable=SC2086
    "$engine" build ${BUILD_OPTIONS:-} --file ../docker/Dockerfile --tag "fixfeed:$version" ../..
    "$engine" run --rm --read-only --network=none "fixfeed:$version" --version
}

compose() {
    if "$engine" compose version >/dev/null 2>&1; then
        "$engine" compose "$@"
    elif command -v "$engine-compose" >/dev/null 2>&1; then
        "$engine-compose" "$@"
    else
        echo "compose.sh: $engine has no compose here: install docker-compose-plugin, or podman-compose" >&2
        exit 3
    fi
}

password() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

case "${1:-up}" in
build)
    build
    ;;
down)
    [ -f .env ] || { echo "compose.sh: nothing was started here: there is no deploy/compose/.env" >&2; exit 2; }
    compose down
    ;;
up)
    build
    if [ ! -f .env ]; then
        (umask 077 && printf 'POSTGRESQL_PASSWORD=%s\nGRAFANA_PASSWORD=%s\n' "$(password)" "$(password)" >.env)
    fi
    compose up --detach --wait --no-build
    echo "peers send to       tcp://127.0.0.1:9876"
    echo "the dashboard is at http://127.0.0.1:8501/, its API at http://127.0.0.1:8501/api/"
    echo "Grafana is at       http://127.0.0.1:3000/ (admin, GRAFANA_PASSWORD of deploy/compose/.env)"
    echo "Prometheus is at    http://127.0.0.1:9090/"
    echo "to stop it all:     tools/compose.sh down"
    ;;
*)
    echo "compose.sh: '$1' is none of build, up and down" >&2
    exit 2
    ;;
esac
