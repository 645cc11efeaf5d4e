#!/bin/sh
# Installs what the tests start themselves, where it is missing: PostgreSQL, jq, Chromium, and Java,
# Maven and openssl for a Kafka broker, whose jars (43 MB) go once into the folder
# ${XDG_CACHE_HOME:-~/.cache}/fixfeed-tests/kafka. Prometheus is unpacked beside it from Debian's
# package, as installing that would start a service.
set -eu
here=$(dirname "$0")
missing=""
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null 2>&1; then
    missing="postgresql"
fi
command -v jq >/dev/null 2>&1 || missing="$missing jq"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v java >/dev/null 2>&1 || missing="$missing openjdk-17-jre-headless"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
if [ -n "$missing" ]; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    export DEBIAN_FRONTEND=noninteractive
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

cache="${XDG_CACHE_HOME:-$HOME/.cache}/fixfeed-tests"
if ! command -v prometheus >/dev/null 2>&1 && [ ! -x "$cache/prometheus/usr/bin/promtool" ]; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    download=$(mktemp -d)
    chmod 755 "$download"
    $sudo apt-get update -qq
    (cd "$download" && apt-get download -qq prometheus 2>/dev/null)
    mkdir -p "$cache"
    dpkg-deb -x "$download"/prometheus_*.deb "$cache/prometheus"
    rm -rf "$download"
fi

# The copy of pom.xml comes last: with it, all jars of these versions are there.
jars="$cache/kafka"
if ! cmp -s "$here/kafka/pom.xml" "$jars/pom.xml"; then
    rm -rf "$jars"
    mkdir -p "$jars"
    mvn -q -B -ntp -f "$here/kafka/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$jars"
    cp "$here/kafka/pom.xml" "$jars/pom.xml"
fi
